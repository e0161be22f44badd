// One request by Go with the roots that the environment names. In: a URL. Out: the answer's status.
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	answer, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	answer.Body.Close()
	fmt.Print(answer.StatusCode)
}
