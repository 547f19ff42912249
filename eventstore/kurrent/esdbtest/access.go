package esdbtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"
)

// authority is a CA that lasts for a day, with a certificate for 127.0.0.1.
type authority struct {
	pem    []byte
	config *tls.Config
}

func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "esdbtest CA"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	signed, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	node := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "eventstoredb-node"},
		NotBefore:    ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	leaf, err := x509.CreateCertificate(rand.Reader, node, ca, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &authority{
		pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}),
		config: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"h2"},
			Certificates: []tls.Certificate{{Certificate: [][]byte{leaf}, PrivateKey: key}},
		},
	}, nil
}

// authorize is the default of servers with security on: whoever is signed in
// may use streams, administrators everything, and nobody but them $all, unless
// its metadata names them. Gossip and features are open.
func (s *Server) authorize(c Call) error {
	if s.ca == nil || c.Method == Gossip || c.Method == Features {
		return nil
	}
	header := c.Metadata.Get("authorization")
	if len(header) == 0 {
		return accessDenied()
	}
	account, ok := s.account(header[0])
	if !ok {
		return unauthenticated()
	}
	if account.Admin || !strings.HasPrefix(originalOf(c.Stream), "$") {
		return nil
	}
	if c.Stream == everyStream && !c.writes() && s.mayReadAll(account.Name) {
		return nil
	}
	return accessDenied()
}

func (s *Server) account(header string) (Account, bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !strings.EqualFold(scheme, "Basic") {
		return Account{}, false
	}
	name, password, _ := strings.Cut(string(decoded), ":")
	for _, a := range s.config.accounts {
		if a.Name == name && subtle.ConstantTimeCompare([]byte(a.Password), []byte(password)) == 1 {
			return a, true
		}
	}
	return Account{}, false
}

func (s *Server) mayReadAll(name string) bool {
	v := s.view()
	v.mu.RLock()
	acl := limitsOf(everyStream, v.cut(v.streams[metaOf(everyStream)])).ACL
	v.mu.RUnlock()
	if acl == nil {
		return false
	}
	switch r := acl.Read.(type) {
	case string:
		return r == name || r == "$all"
	case []any:
		return slices.Contains(r, any(name)) || slices.Contains(r, any("$all"))
	default:
		return false
	}
}
