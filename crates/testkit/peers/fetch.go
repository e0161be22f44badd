// Go's net/http over HTTP/2. In: SIDE_URL, SIDE_CA (else the usual trust) and the proxy variables. Out: the bodies on standard output, the protocol on standard error.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	config := &tls.Config{}
	if file := os.Getenv("SIDE_CA"); file != "" {
		pem, err := os.ReadFile(file)
		check(err)
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			check(fmt.Errorf("no certificate in SIDE_CA"))
		}
	}
	client := &http.Client{Transport: &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		TLSClientConfig:   config,
		ForceAttemptHTTP2: true,
	}}
	base := os.Getenv("SIDE_URL")
	large := read(client.Get(base + "/bytes/2000003"))
	read(client.Post(base+"/hash", "application/octet-stream", bytes.NewReader(large)))
}

func read(answer *http.Response, err error) []byte {
	check(err)
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		check(fmt.Errorf("status %s", answer.Status))
	}
	fmt.Fprintln(os.Stderr, answer.Proto)
	body, err := io.ReadAll(answer.Body)
	check(err)
	_, err = os.Stdout.Write(body)
	check(err)
	return body
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
