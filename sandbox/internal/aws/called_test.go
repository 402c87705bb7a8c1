package aws

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// called are the operations that clients of this package's worlds have called, each
// after its service's ID in the SDK.
var called sync.Map

// note has a client say what it calls.
func note(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("note", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		called.Store(awsmiddleware.GetServiceID(ctx)+" "+awsmiddleware.GetOperationName(ctx), true)
		return next.HandleInitialize(ctx, in)
	}), middleware.After)
}

// TestMain asks, when all tests were run, whether each operation is called by one of
// them, or judged by a check of sandbox/clients.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && whole() && !everyOperationIsCalled() {
		code = 1
	}
	os.Exit(code)
}

// whole: no test was left out.
func whole() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list"} {
		if flag.Lookup(name).Value.String() != "" {
			return false
		}
	}
	return !testing.Short()
}

func everyOperationIsCalled() bool {
	dir, err := os.MkdirTemp("", "sandbox")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sandbox, err := New(Config{Dir: dir, Region: "us-west-2"}, Outside{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	judged, good := checks(), true
	for _, s := range sandbox.services() {
		for _, operation := range s.operations {
			name := s.id + " " + operation
			_, is := called.Load(name)
			if !is && !slices.Contains(judged, s.command+" "+kebab(operation)) {
				good = false
				fmt.Printf("no test calls %s, and no check of sandbox/clients\n", name)
			}
		}
	}
	return good
}

var (
	check    = regexp.MustCompile(`j\.(?:ok|refused)\(\s*f?"([a-z0-9]+ [a-z0-9-]+)`)
	boundary = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)
)

// checks are the names of those in sandbox/clients, up to the operation: "eks list-clusters".
func checks() (names []string) {
	files, err := filepath.Glob("../../clients/*.py")
	if err != nil || len(files) == 0 {
		panic(fmt.Sprint("no chapters in sandbox/clients: ", err))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		for _, found := range check.FindAllStringSubmatch(string(text), -1) {
			names = append(names, found[1])
		}
	}
	return names
}

// kebab writes an operation as the aws command does: list-open-id-connect-providers.
func kebab(operation string) string {
	return strings.ToLower(boundary.ReplaceAllString(operation, "$1$3-$2$4"))
}
