package main

import (
	"crypto/tls"
	"errors"
)

// Filled in when package localtls lands.
func openLocalTLS(string) (*tls.Config, []byte, error) { return nil, nil, errors.New("not yet") }
func loadTLS(string, string) (*tls.Config, error)      { return nil, errors.New("not yet") }
func lanAddresses() []string                           { return nil }
