// SPDX-License-Identifier: Apache-2.0

// Calls through net/http, as a service of Go makes them.
//
//	client [-http2] [-clear PORT] [-wait FILE] [-raw] FOLDER in-turn|at-once N EXCHANGE...
//	client FOLDER gateway CERTS PORT
//
// in-turn makes N calls of each exchange one after the other, on connections that are kept; at-once all of them at the
// same time. -http2: port 8443, where the upstream speaks it. -clear: without TLS. -wait: opens a connection first, says "ready" and calls
// when there is such a file. -raw: HTTP/1.1 written by hand into a tls.Conn, read into a buffer on the goroutine's stack, which
// grows in the meantime.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

type exchange struct {
	ID      string
	Request struct {
		Method, URL string
		Headers     [][2]string
		Body        json.RawMessage
	}
}

var (
	http2 = flag.Bool("http2", false, "port 8443, over HTTP/2")
	wait  = flag.String("wait", "", "connect first, call when there is such a file")
	clear = flag.String("clear", "", "in the clear, to this port")
	raw   = flag.Bool("raw", false, "by hand, with buffers on the stack")
)

// What the transport says itself.
var dropped = map[string]bool{"host": true, "accept-encoding": true, "content-length": true, "connection": true,
	"transfer-encoding": true}

func load(folder string, names []string) ([]exchange, error) {
	var out []exchange
	for _, name := range names {
		var e exchange
		data, err := os.ReadFile(filepath.Join(folder, name+".json"))
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, &e); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, e)
	}
	return out, nil
}

func labels(id string) (string, string) {
	if options := os.Getenv("LT_OPTIONS"); options != "" {
		id += "; " + options
	}
	return id, fmt.Sprintf("%s; pid=%d", os.Getenv("LT_WANT"), os.Getpid())
}

func request(e exchange) (*http.Request, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, e.Request.Body); err != nil {
		return nil, err
	}
	target, err := url.Parse(e.Request.URL)
	if err != nil {
		return nil, err
	}
	if *http2 {
		target.Host += ":8443"
	}
	if *clear != "" {
		target.Scheme, target.Host = "http", target.Hostname()+":"+*clear
	}
	out, err := http.NewRequest(e.Request.Method, target.String(), &compact)
	if err != nil {
		return nil, err
	}
	for _, header := range e.Request.Headers {
		if !dropped[strings.ToLower(header[0])] && header[0][0] != ':' {
			out.Header.Add(header[0], strings.ReplaceAll(header[1], "REDACTED", os.Getenv("LT_KEY")))
		}
	}
	which, want := labels(e.ID)
	out.Header.Set("x-lt-exchange", which)
	out.Header.Set("x-lt-want", want)
	return out, nil
}

func finish(response *http.Response) error {
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if major := response.ProtoMajor; (major == 2) != *http2 {
		return fmt.Errorf("over HTTP/%d", major)
	}
	return nil
}

func call(client *http.Client, e exchange) error {
	out, err := request(e)
	if err != nil {
		return err
	}
	response, err := client.Do(out)
	if err != nil {
		return err
	}
	return finish(response)
}

// Reads all there is, every piece one frame deeper and into a buffer of that frame: so the stack has to grow, and be
// moved with all such buffers, while some Read is under way.
//
//go:noinline
func readDeeper(conn *tls.Conn, depth int) error {
	var buffer [1500]byte
	if _, err := conn.Read(buffer[:]); err != nil || depth == 0 {
		return err
	}
	return readDeeper(conn, depth-1)
}

func callByHand(_ *http.Client, e exchange) error {
	out, err := request(e)
	if err != nil {
		return err
	}
	out.Header.Set("connection", "close")
	conn, err := tls.Dial("tcp", net.JoinHostPort(out.URL.Hostname(), "443"), &tls.Config{})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := out.Write(conn); err != nil {
		return err
	}
	for err == nil {
		err = readDeeper(conn, 300)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// A connection that is there, and idle, before anybody looks.
func connectAndWait(client *http.Client, e exchange) error {
	target, err := url.Parse(e.Request.URL)
	if err != nil {
		return err
	}
	if *http2 {
		target.Host += ":8443"
	}
	response, err := client.Get(target.Scheme + "://" + target.Host + "/nothing")
	if err != nil {
		return err
	}
	if err := finish(response); err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		if _, err := os.Stat(*wait); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func calls(folder, how string, times int, names []string) error {
	exchanges, err := load(folder, names)
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	client := &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	if *wait != "" {
		if err := connectAndWait(client, exchanges[0]); err != nil {
			return err
		}
	}
	one := call
	if *raw {
		one = callByHand
	}
	var group sync.WaitGroup
	failures := make(chan error, times*len(exchanges))
	for i := 0; i < times; i++ {
		for _, e := range exchanges {
			group.Add(1)
			go func(e exchange) {
				defer group.Done()
				if err := one(client, e); err != nil {
					failures <- fmt.Errorf("%s: %w", e.ID, err)
				}
			}(e)
			if how == "in-turn" {
				group.Wait()
			}
		}
	}
	group.Wait()
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}

// Takes one call over TLS and sends it on over TLS of its own.
func gateway(certs, port string) error {
	served := make(chan struct{})
	proxy := &httputil.ReverseProxy{Director: func(r *http.Request) {
		r.URL.Scheme, r.URL.Host, r.Host = "https", "api.openai.com", "api.openai.com"
		r.Header.Set("x-lt-want", fmt.Sprintf("scenario=go-gateway; hops=2; pid=%d", os.Getpid()))
	}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("connection", "close")
		proxy.ServeHTTP(w, r)
		close(served)
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	go server.ServeTLS(listener, certs+"/leaf.pem", certs+"/leaf.key")
	<-served
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	return server.Shutdown(context.Background())
}

func run(args []string) error {
	if len(args) < 4 {
		return errors.New("usage: client [-http2] [-wait FILE] [-raw] FOLDER in-turn|at-once N EXCHANGE... | FOLDER gateway CERTS PORT")
	}
	if args[1] == "gateway" {
		return gateway(args[2], args[3])
	}
	var times int
	if _, err := fmt.Sscan(args[2], &times); err != nil {
		return err
	}
	return calls(args[0], args[1], times, args[3:])
}

func main() {
	flag.Parse()
	if err := run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
