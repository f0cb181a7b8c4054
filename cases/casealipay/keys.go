package casealipay

import (
	"crypto/md5" //nolint:gosec // Alipay names certificates by it; nothing is protected by it
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// leastBits is the shortest RSA key that is taken. Alipay's RSA2 asks for 2048.
const leastBits = 2048

// der takes a key as Alipay's tools hand it out: PEM, or its base64 alone.
func der(b []byte) ([]byte, error) {
	if block, _ := pem.Decode(b); block != nil {
		return block.Bytes, nil
	}
	bare := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, string(b))
	out, err := base64.StdEncoding.DecodeString(bare)
	if err != nil || len(out) == 0 {
		return nil, errors.New("it is neither PEM nor base64")
	}
	return out, nil
}

// privateKey reads the application's key (PKCS #1 or PKCS #8).
func privateKey(b []byte) (*rsa.PrivateKey, error) {
	d, err := der(b)
	if err != nil {
		return nil, err
	}
	k, err := x509.ParsePKCS1PrivateKey(d)
	if err != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(d)
		if err != nil {
			return nil, errors.New("it is no private key") // the cause could quote it
		}
		var ok bool
		if k, ok = parsed.(*rsa.PrivateKey); !ok {
			return nil, errors.New("it is no RSA key")
		}
	}
	if err := k.Validate(); err != nil {
		return nil, errors.New("it is damaged")
	}
	return k, longEnough(&k.PublicKey)
}

// publicKey reads Alipay's key (PKIX).
func publicKey(b []byte) (*rsa.PublicKey, error) {
	d, err := der(b)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(d)
	if err != nil {
		return nil, errors.New("it is no public key")
	}
	k, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("it is no RSA key")
	}
	return k, longEnough(k)
}

// certificate reads the first certificate of a PEM file, which has to hold an RSA key.
func certificate(b []byte) (*x509.Certificate, *rsa.PublicKey, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, nil, errors.New("it is no certificate in PEM form")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("it cannot be read: %w", err)
	}
	k, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, nil, errors.New("its key is no RSA key")
	}
	return c, k, longEnough(k)
}

func longEnough(k *rsa.PublicKey) error {
	if n := k.N.BitLen(); n < leastBits {
		return fmt.Errorf("it has %d bits, and at least %d are needed", n, leastBits)
	}
	return nil
}

// certSN is Alipay's name of a certificate: the MD5 of its issuer and serial number.
func certSN(c *x509.Certificate) string {
	sum := md5.Sum([]byte(c.Issuer.String() + c.SerialNumber.String())) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

// pemOf is a certificate alone: the library wants one and takes no others beside it.
func pemOf(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}
