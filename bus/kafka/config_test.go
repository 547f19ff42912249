package kafka_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	wmkafka "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"
)

func TestWhatAURLCannotSay(t *testing.T) {
	t.Parallel()
	tests := []struct{ url, want string }{
		{"kafka://:9092", "host 1"},
		{"kafka://a,:9092", "host 2"},
		{"kafka://u:hunter2@h", "option sasl"},
		{"kafka://h?sasl=plain", "option sasl"},
		{"kafka://u@h?sasl=plain", "option sasl"},
		{"kafka://u:hunter2@h?sasl=gssapi", "option sasl"},
		{"kafka://u:hunter2@h?sasl=plain&tls=true&ca=/nowhere", "option ca"},
		{"kafka://u:hunter2@h?sasl=plain&prefix=a/b", "option prefix"},
		{"kafka://u:hunter2@h?sasl=plain&topic=a/b", "option topic"},
		{"kafka://h?topic=a&prefix=b", "option prefix"},
		{"kafka://h?partitions=0", "option partitions"},
		{"kafka://h?replication=many", "option replication"},
		{"kafka://h?create=false&partitions=3", "option create"},
		{"kafka://h?maxbytes=1", "option maxbytes"},
		{"kafka://h?timeout=0s", "option timeout"},
		{"kafka://u:hunter2@h?sasl=plain&pasword=hunter2", "pasword"},
		{"kafka://u:hunter2@h/topic?sasl=plain", "path"},
	}
	for _, test := range tests {
		_, err := tryOpen(t, test.url, logTo(t))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.url, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: shows the password: %v", test.url, err)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	certificate, ca := selfSigned(t)
	encrypted := kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	user := func(how string) []kfake.Opt {
		return []kfake.Opt{kfake.EnableSASL(), kfake.Superuser(how, "u", "p@ss:word")}
	}
	tests := []struct {
		name    string
		options []kfake.Opt
		user    string
		query   string
		why     string // we are not let in
	}{
		{"PLAIN", user("PLAIN"), "u:p%40ss%3Aword@", "sasl=plain", ""},
		{"SCRAM-SHA-256", user("SCRAM-SHA-256"), "u:p%40ss%3Aword@", "sasl=scram-sha-256", ""},
		{"SCRAM-SHA-512", user("SCRAM-SHA-512"), "u:p%40ss%3Aword@", "sasl=scram-sha-512", ""},
		{"a wrong password", user("SCRAM-SHA-512"), "u:hunter2@", "sasl=scram-sha-512", "user or password"},
		{"nobody", user("PLAIN"), "", "", "is SASL missing"},
		{"TLS", []kfake.Opt{encrypted}, "", "tls=true&ca=" + ca, ""},
		{"TLS with somebody whom we do not know", []kfake.Opt{encrypted}, "", "tls=true", "certificate"},
		{"TLS wanted from a broker without", nil, "", "tls=true&ca=" + ca, "timeout"},
		{"no TLS wanted from a broker with", []kfake.Opt{encrypted}, "", "", "is TLS missing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, test.options...)
			target := open(t, strings.Replace(b.url(test.query), "//", "//"+test.user, 1))
			err := target.Publish("rowhouse.ten_a", event(within(t, 2*patience), "a", 0))
			if (err == nil) != (test.why == "") || err != nil && !strings.Contains(err.Error(), test.why) || err != nil && (strings.Contains(err.Error(), "hunter2") || reason(err) != "") {
				t.Error(err)
			}
		})
	}
}

// selfSigned makes a certificate for 127.0.0.1, and writes it to a file.
func selfSigned(tb testing.TB) (tls.Certificate, string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(tb.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// TestWatermillReads reads with Watermill's subscriber and another client, in a
// group of consumers, with a restart of the broker in the middle.
func TestWatermillReads(t *testing.T) {
	t.Parallel()
	b := start(t)
	target := open(t, b.url("partitions=2"))
	publish := func(n int) {
		t.Helper()
		for _, tenant := range []string{"ten_a", "ten_b"} {
			eventually(t, "publishes", func() bool {
				return target.Publish("rowhouse."+tenant, event(within(t, patience), tenant, n)) == nil
			})
		}
	}
	read := func(from, to int) {
		t.Helper()
		config := wmkafka.DefaultSaramaSubscriberConfig()
		config.Consumer.Offsets.Initial = sarama.OffsetOldest
		subscriber, err := wmkafka.NewSubscriber(wmkafka.SubscriberConfig{
			Brokers: []string{b.addr()}, Unmarshaler: cloudEvents{}, ConsumerGroup: "crm", OverwriteSaramaConfig: config,
		}, watermill.NewSlogLogger(logTo(t)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		messages, err := subscriber.Subscribe(ctx, "rowhouse.ten_a")
		if err != nil {
			t.Fatal(err)
		}
		for n := from; n < to; {
			var m *message.Message
			select {
			case m = <-messages:
			case <-ctx.Done():
				t.Fatalf("event %d does not come", n)
			}
			m.Ack()
			if n == from && n > 0 && m.UUID == fmt.Sprint("evt_ten_a_", n-1) {
				continue // the last one before the restart, whose offset was not committed
			}
			if m.UUID != fmt.Sprint("evt_ten_a_", n) || string(m.Payload) != fmt.Sprintf(`{"n":%d}`, n) || m.Metadata.Get("ce_type") != "deal.won" {
				t.Errorf("event %d is %s: %s", n, m.UUID, m.Payload)
			}
			n++
		}
		if err := subscriber.Close(); err != nil {
			t.Error(err)
		}
	}
	for n := range 10 {
		publish(n)
	}
	read(0, 10)
	b.stop()
	b.start(t)
	for n := range 10 {
		publish(10 + n)
	}
	read(10, 20)
}

// cloudEvents reads messages as a consumer of ours would: the ID of an event is
// in a header.
type cloudEvents struct{ wmkafka.DefaultMarshaler }

func (c cloudEvents) Unmarshal(from *sarama.ConsumerMessage) (*message.Message, error) {
	m, err := c.DefaultMarshaler.Unmarshal(from)
	if err == nil {
		m.UUID = m.Metadata.Get("ce_id")
	}
	return m, err
}
