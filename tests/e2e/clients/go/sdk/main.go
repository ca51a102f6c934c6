// SPDX-License-Identifier: Apache-2.0

// Calls by OpenAI's own SDK for Go.
//
//	sdk FOLDER N EXCHANGE...
//
// N calls of each exchange, all at the same time.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

type exchange struct {
	ID        string
	Streaming bool
	Request   struct{ Body json.RawMessage }
	Response  struct{ Status int }
}

func load(folder, name string) (exchange, error) {
	var e exchange
	data, err := os.ReadFile(filepath.Join(folder, name+".json"))
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(data, &e)
}

func call(client *openai.Client, e exchange) error {
	var body openai.ChatCompletionNewParams
	if err := json.Unmarshal(e.Request.Body, &body); err != nil {
		return err
	}
	which := e.ID
	if options := os.Getenv("LT_OPTIONS"); options != "" {
		which += "; " + options
	}
	headers := []option.RequestOption{option.WithHeader("x-lt-exchange", which),
		option.WithHeader("x-lt-want", fmt.Sprintf("%s; pid=%d", os.Getenv("LT_WANT"), os.Getpid()))}
	if !e.Streaming {
		_, err := client.Chat.Completions.New(context.Background(), body, headers...)
		return err
	}
	stream := client.Chat.Completions.NewStreaming(context.Background(), body, headers...)
	defer stream.Close()
	for stream.Next() {
	}
	return stream.Err()
}

// An exchange that ends in an error has to, and is then as it should be.
func check(e exchange, err error) error {
	var refused *openai.Error
	if e.Response.Status >= 400 && errors.As(err, &refused) && refused.StatusCode == e.Response.Status {
		return nil
	}
	if err == nil && e.Response.Status >= 400 {
		return fmt.Errorf("%s: no error", e.ID)
	}
	return err
}

func run(args []string) error {
	if len(args) < 3 {
		return errors.New("usage: sdk FOLDER N EXCHANGE...")
	}
	times, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	client := openai.NewClient(option.WithAPIKey(os.Getenv("LT_KEY")), option.WithMaxRetries(0))
	failures := make(chan error, times*len(args))
	var group sync.WaitGroup
	for _, name := range args[2:] {
		e, err := load(args[0], name)
		if err != nil {
			return err
		}
		for i := 0; i < times; i++ {
			group.Add(1)
			go func() {
				defer group.Done()
				failures <- check(e, call(&client, e))
			}()
		}
	}
	group.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
