package problem

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

// Panic is a panic that was caught.
type Panic struct {
	Value any
	Stack []byte
}

// Error is what was panicked with.
func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Recover turns a panic into an error, so that the rest of the program ends in
// order and what was done is saved. It is deferred, as in
//
//	defer problem.Recover(&err)
//
// by whoever starts a goroutine, or has something to put right afterwards.
func Recover(err *error) {
	if value := recover(); value != nil {
		*err = errors.Join(*err, &Error{
			Kind: Crashed, Err: &Panic{value, debug.Stack()},
			Fix: "state is saved: run the same command again, and report this",
		})
	}
}

// Reason is err in words for a person. What failed only because ctx ended is
// told as the reason why it did: "interrupted (Ctrl-C)", not "context canceled", and
// not "context deadline exceeded".
func Reason(ctx context.Context, err error) string {
	var lines []string
	for _, part := range Parts(err) {
		line := part.Error()
		if over := ctx.Err(); over != nil && (errors.Is(part, over) || errors.Is(part, context.Canceled)) {
			line = context.Cause(ctx).Error()
		}
		if len(lines) == 0 || lines[len(lines)-1] != line {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}
