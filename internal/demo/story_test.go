package demo

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A failure begins the count of answers anew: the load must not begin while an
// NGINX behind the load balancer has yet to reload.
func TestAnswersInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, told := 0, 0
		waited, err := answersInARow(t.Context(), 3, func() { told++ }, func() error {
			if asked++; asked == 3 {
				return errors.New("502")
			}
			return nil
		})
		if err != nil || !waited || asked != 6 || told != 1 {
			t.Errorf("asked %d times, told %d times, waited %t, %v", asked, told, waited, err)
		}
	})
}

// One that never answers is an error that tells the last answer.
func TestNeverInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), firstAnswerLimit)
		defer cancel()
		began := time.Now()
		_, err := answersInARow(ctx, 1, func() {}, func() error { return errors.New("503 Service Unavailable") })
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "503") || time.Since(began) != firstAnswerLimit {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// Every kind that the demo knows has its number.
func TestInARow(t *testing.T) {
	for _, kind := range []string{Classic, NLB, ALB} {
		if inARow[kind] == 0 {
			t.Errorf("%s: no answer would be waited for", kind)
		}
	}
}
