// Which of several servers Go trusts, for each way to give it roots. In: ports with commas, then WAY=FILE each, WAY `pool`
// (AppendCertsFromPEM) or `system` (as the environment says). Out: a line for each WAY=FILE: 1 (trusted) or 0 for each port.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

func main() {
	for _, argument := range os.Args[2:] {
		way, file, _ := strings.Cut(argument, "=")
		config := &tls.Config{ServerName: "localhost"}
		if way == "pool" {
			bytes, err := os.ReadFile(file)
			check(err)
			config.RootCAs = x509.NewCertPool()
			config.RootCAs.AppendCertsFromPEM(bytes)
		}
		line := ""
		for _, port := range strings.Split(os.Args[1], ",") {
			line += trusts(config, port)
		}
		fmt.Println(line)
	}
}

func trusts(config *tls.Config, port string) string {
	connection, err := tls.Dial("tcp", "127.0.0.1:"+port, config)
	if err == nil {
		connection.Close()
		return "1"
	}
	var verdict *tls.CertificateVerificationError
	if !errors.As(err, &verdict) {
		check(err)
	}
	return "0"
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
