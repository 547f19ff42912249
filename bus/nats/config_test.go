package nats_test

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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmjetstream "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/jetstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestWhatAURLCannotSay(t *testing.T) {
	t.Parallel()
	tests := []struct{ url, want string }{
		{"nats://u:hunter2@:4222", "host 1"},
		{"nats://u@h", "password is missing"},
		{"nats://u:hunter2@h?token=hunter2", "exclude one another"},
		{"nats://u:hunter2@h?creds=/nowhere", "option creds"},
		{"nats://u:hunter2@h?ca=/nowhere&tls=true", "option ca"},
		{"nats://u:hunter2@h?prefix=a..b", "option prefix"},
		{"nats://u:hunter2@h?prefix=a.*", "option prefix"},
		{"nats://u:hunter2@h?stream=a.b", "option stream"},
		{"nats://u:hunter2@h?replicas=6", "option replicas"},
		{"nats://u:hunter2@h?maxage=1m", "option maxage"},
		{"nats://u:hunter2@h?window=1s", "option window"},
		{"nats://u:hunter2@h?timeout=0s", "option timeout"},
		{"nats://u:hunter2@h?manage=false&replicas=3", "option manage"},
		{"nats://u:hunter2@h?pasword=hunter2", "pasword"},
		{"nats://u:hunter2@h/path", "path"},
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
	serverTLS := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	tests := []struct {
		name   string
		change func(*server.Options)
		user   string
		query  string
		why    string // we are not let in
	}{
		{"a user", func(o *server.Options) { o.Username, o.Password = "u", "p@ss:word" }, "u:p%40ss%3Aword@", "", ""},
		{"a user with a wrong password", func(o *server.Options) { o.Username, o.Password = "u", "p" }, "u:hunter2@", "", "Authorization Violation"},
		{"a token", func(o *server.Options) { o.Authorization = "secret" }, "", "token=secret", ""},
		{"a wrong token", func(o *server.Options) { o.Authorization = "secret" }, "", "token=hunter2", "Authorization Violation"},
		{"TLS", func(o *server.Options) { o.TLS, o.TLSConfig = true, serverTLS }, "", "tls=true&ca=" + ca, ""},
		{"TLS with somebody whom we do not know", func(o *server.Options) { o.TLS, o.TLSConfig = true, serverTLS }, "", "tls=true", "certificate"},
		{"TLS wanted from a server without", nil, "", "tls=true&ca=" + ca, "secure connection not available"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, test.change)
			target := open(t, strings.Replace(b.url(test.query), "//", "//"+test.user, 1))
			publish := func() error {
				return target.Publish("rowhouse.ten_a.deal.won", event(within(t, patience), "a", 0))
			}
			err := publish()
			if (err == nil) != (test.why == "") || err != nil && (strings.Contains(err.Error(), "hunter2") || reason(err) != "") {
				t.Error(err)
			}
			eventually(t, "says "+test.why, func() bool {
				err := publish()
				return test.why == "" || err != nil && strings.Contains(err.Error(), "not connected") && strings.Contains(err.Error(), test.why)
			})
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

type streamTest struct {
	name   string
	before *jetstream.StreamConfig
	query  string
	fails  string // what the error says
	want   func(jetstream.StreamConfig) bool
}

// foreign is a test with a stream that has our name, that we must not touch, and
// that must not get anything from us.
func foreign(name, fails string, change func(*jetstream.StreamConfig)) streamTest {
	before := jetstream.StreamConfig{Name: "CRM_OUT", Subjects: []string{"crm.>"}}
	change(&before)
	return streamTest{name, &before, "prefix=crm.out&maxage=48h&timeout=1s", fails, func(c jetstream.StreamConfig) bool {
		return slices.Equal(c.Subjects, before.Subjects) && c.MaxAge == 0
	}}
}

func TestStream(t *testing.T) {
	t.Parallel()
	const topic = "crm.out.ten_a.deal.won"
	tests := []streamTest{
		{"made", nil, "prefix=crm.out", "", func(c jetstream.StreamConfig) bool {
			return c.Name == "CRM_OUT" && slices.Equal(c.Subjects, []string{"crm.out.>"}) && c.Storage == jetstream.FileStorage &&
				c.Replicas == 1 && c.MaxAge == 0 && c.Duplicates == 2*time.Minute && c.Metadata["rowhouse.prefix"] == "crm.out"
		}},
		{"made as told", nil, "prefix=crm.out&replicas=1&maxage=48h&window=1h", "", func(c jetstream.StreamConfig) bool {
			return c.MaxAge == 48*time.Hour && c.Duplicates == time.Hour
		}},
		{
			"tuned by hand",
			&jetstream.StreamConfig{Name: "CRM_OUT", Subjects: []string{"crm.>"}, MaxAge: time.Hour, MaxMsgs: 7},
			"prefix=crm.out", "",
			func(c jetstream.StreamConfig) bool {
				return slices.Equal(c.Subjects, []string{"crm.>"}) && c.MaxAge == time.Hour && c.MaxMsgs == 7
			},
		},
		{
			"tuned by hand, and told otherwise",
			&jetstream.StreamConfig{Name: "CRM_OUT", Subjects: []string{"other", "crm.*.>"}, MaxAge: time.Hour, MaxMsgs: 7},
			"prefix=crm.out&maxage=2h", "",
			func(c jetstream.StreamConfig) bool {
				return slices.Equal(c.Subjects, []string{"other", "crm.*.>"}) && c.MaxAge == 2*time.Hour && c.MaxMsgs == 7
			},
		},
		{
			"another stream has the subjects",
			&jetstream.StreamConfig{Name: "THEIRS", Subjects: []string{"crm.>"}},
			"prefix=crm.out", "overlap",
			func(c jetstream.StreamConfig) bool { return c.Name == "THEIRS" },
		},
		foreign("somebody else's", "exists and does not take crm.out.>", func(c *jetstream.StreamConfig) { c.Subjects = []string{"crm.in.>"} }),
		foreign("a part of the subjects", "exists and does not take crm.out.>", func(c *jetstream.StreamConfig) { c.Subjects = []string{"crm.out.*"} }),
		foreign("a queue", "retention", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }),
		foreign("for those who listen", "retention", func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy }),
		foreign("only the last ones", "max_msgs_per_subject", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }),
		foreign("in memory", "storage", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }),
		foreign("later on disk", "persist_mode", func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }),
		foreign("without answers", "no_ack", func(c *jetstream.StreamConfig) { c.NoAck = true }),
		foreign("sealed", "sealed", func(c *jetstream.StreamConfig) { c.Sealed = true }),
		{
			"not ours, and meant",
			&jetstream.StreamConfig{Name: "THEIRS", Subjects: []string{"crm.>"}},
			"prefix=crm.out&manage=false", "",
			func(c jetstream.StreamConfig) bool { return slices.Equal(c.Subjects, []string{"crm.>"}) },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, nil)
			name := "CRM_OUT"
			if test.before != nil {
				name = test.before.Name
				conn, err := natsgo.Connect("", natsgo.InProcessServer(b.server))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				js, err := jetstream.New(conn)
				if err != nil {
					t.Fatal(err)
				}
				before := *test.before
				before.Sealed = false // that is for later
				if _, err := js.CreateStream(t.Context(), before); err != nil {
					t.Fatal(err)
				}
				if test.before.Sealed {
					if _, err := js.UpdateStream(t.Context(), *test.before); err != nil {
						t.Fatal(err)
					}
				}
			}
			err := open(t, b.url(test.query)).Publish(topic, event(t.Context(), "a", 0))
			if (err != nil) != (test.fails != "") || err != nil && !strings.Contains(err.Error(), test.fails) || reason(err) != "" {
				t.Error(err)
			}
			s := b.stream(t, name)
			if config := s.CachedInfo().Config; !test.want(config) {
				t.Errorf("%+v", config)
			}
			if n := len(kept(t, s)); (n == 1) == (test.fails != "") {
				t.Errorf("%d messages are kept", n)
			}
		})
	}
}

func TestAStreamThatWasDeletedIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	target := open(t, b.url(""))
	publish := func(n int) error {
		return target.Publish("rowhouse.ten_a.deal.won", event(within(t, patience), "a", n))
	}
	if err := publish(0); err != nil {
		t.Fatal(err)
	}
	conn, err := natsgo.Connect("", natsgo.InProcessServer(b.server))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "ROWHOUSE"); err != nil {
		t.Fatal(err)
	}
	if err := publish(1); err == nil || reason(err) != "" {
		t.Errorf("nobody keeps it: %v", err)
	}
	eventually(t, "publishes", func() bool { // the server may still be removing the files of the old one
		err := publish(1)
		if reason(err) != "" {
			t.Fatalf("it would not be tried again: %v", err)
		}
		return err == nil
	})
}

// TestWatermillReads reads with Watermill's subscriber, by a durable consumer
// of one tenant, with a restart of the server in the middle.
func TestWatermillReads(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	target := open(t, b.url(""))
	publish := func(n int) {
		t.Helper()
		for _, tenant := range []string{"ten_a", "ten_b"} {
			m := event(within(t, patience), tenant, n)
			eventually(t, "publishes", func() bool { return target.Publish("rowhouse."+tenant+".deal.won", m) == nil })
		}
	}
	read := func(from, to int) {
		t.Helper()
		conn, err := natsgo.Connect(b.url(""))
		if err != nil {
			t.Fatal(err)
		}
		subscriber, err := wmjetstream.NewSubscriber(wmjetstream.SubscriberConfig{
			Conn: conn, Logger: watermill.NewSlogLogger(logTo(t)), ResourceInitializer: durable,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx := within(t, 10*time.Second)
		messages, err := subscriber.Subscribe(ctx, "rowhouse.ten_a.>")
		if err != nil {
			t.Fatal(err)
		}
		for n := from; n < to; n++ {
			var m *message.Message
			select {
			case m = <-messages:
			case <-ctx.Done():
				t.Fatalf("event %d does not come", n)
			}
			if id := m.Metadata.Get("ce-id"); id != fmt.Sprint("evt_ten_a_", n) || string(m.Payload) != fmt.Sprintf(`{"n":%d}`, n) {
				t.Errorf("event %d is %s: %s", n, id, m.Payload)
			}
			m.Ack()
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

func durable(ctx context.Context, js jetstream.JetStream, topic string) (
	jetstream.Consumer, func(context.Context, watermill.LoggerAdapter), error,
) {
	c, err := js.CreateOrUpdateConsumer(ctx, "ROWHOUSE", jetstream.ConsumerConfig{
		Durable: "crm", FilterSubject: topic, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1,
	})
	return c, nil, err
}
