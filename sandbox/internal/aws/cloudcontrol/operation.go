package cloudcontrol

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// Run carries out accepted requests until ctx ends, those of an earlier
// process included.
func (s *Service) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	carried := map[string]bool{}
	for changed := s.store.Watch(); ; {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		var open []string
		s.store.View(func(st *region.State) {
			for token, op := range st.Operations {
				if !op.Ended() && !carried[token] {
					open = append(open, token)
				}
			}
		})
		for _, token := range open {
			carried[token] = true
			wg.Go(func() { s.carry(ctx, token) })
		}
	}
}

// carry sees one request to its end: the handler's call, the wait for what it
// began, and the result.
func (s *Service) carry(ctx context.Context, token string) {
	started, due := s.times(token)
	if !s.sleepUntil(ctx, started.Add(s.scaled(acceptance))) {
		return
	}
	for {
		applied, err := s.apply(token)
		if applied {
			break
		}
		if region.IsKind(err, region.Busy) && s.now().Before(started.Add(s.scaled(patience))) {
			s.note(token, err.Error())
			if !s.sleepUntil(ctx, s.now().Add(s.scaled(retryBusy))) {
				return
			}
			continue
		}
		if err != nil {
			s.fail(token, err)
		}
		return // failed, or cancelled before it began
	}
	if !s.sleepUntil(ctx, due) {
		return
	}
	for {
		missing, err := s.missing(token)
		switch {
		case err != nil:
			s.fail(token, err)
			return
		case missing == "":
			s.succeed(token)
			return
		case s.now().After(due.Add(s.scaled(patience))):
			s.fail(token, region.Errorf(region.Busy, "NotStabilized", "Exceeded attempts to wait: %s", missing))
			return
		}
		s.note(token, missing)
		if !s.sleepUntil(ctx, s.now().Add(look)) {
			return
		}
	}
}

func (s *Service) times(token string) (started, due time.Time) {
	s.store.View(func(st *region.State) {
		op := st.Operations[token]
		started = op.Started
		due = op.Started.Add(s.scaled(latencyOf(op.Type, op.Action)))
	})
	return started, due
}

func (s *Service) sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(at.Sub(s.now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// apply lets the handler change the state, once: whether it did is saved
// together with the change.
func (s *Service) apply(token string) (applied bool, err error) {
	err = s.store.Update(func(st *region.State) error {
		op := st.Operations[token]
		if !op.Applied && !op.Ended() {
			if err := s.call(st, op); err != nil {
				return err
			}
			op.Applied, op.Status, op.Message, op.Want = true, "IN_PROGRESS", "", nil
			op.Changed = region.Stamp(s.now())
		}
		applied = op.Applied
		return nil
	})
	return applied, err
}

func (s *Service) call(st *region.State, op *region.Operation) (err error) {
	t := s.types[op.Type]
	switch op.Action {
	case create:
		op.Identifier, err = t.Create(st, op.Want)
	case update:
		err = t.Update(st, op.Identifier, op.Want, t.inModel)
	case remove:
		err = t.Delete(st, op.Identifier)
	}
	return err
}

func (s *Service) missing(token string) (text string, err error) {
	err = s.store.Read(func(st *region.State) (err error) {
		op := st.Operations[token]
		text, err = s.types[op.Type].Wait(st, op.Identifier, op.Action)
		return err
	})
	return text, err
}

// note says what a request waits for.
func (s *Service) note(token, message string) {
	same := false
	s.store.View(func(st *region.State) { same = st.Operations[token].Message == message })
	if same {
		return
	}
	s.amend(token, func(_ *region.State, op *region.Operation) {
		op.Status, op.Message = "IN_PROGRESS", message
	})
}

func (s *Service) succeed(token string) {
	s.amend(token, func(_ *region.State, op *region.Operation) {
		op.Status, op.Message, op.Want = "SUCCESS", "", nil
	})
}

func (s *Service) fail(token string, err error) {
	s.amend(token, func(_ *region.State, op *region.Operation) {
		op.Status, op.Message, op.Want = "FAILED", failure(op, err), nil
		op.ErrorCode = handlerCode(op.Action, err)
	})
}

// amend changes one request; a cancelled one stays cancelled, but what its
// handler began still comes to its end.
func (s *Service) amend(token string, f func(*region.State, *region.Operation)) {
	_ = s.store.Update(func(st *region.State) error { // fails only if the disk does; then the next change tells
		op := st.Operations[token]
		status := op.Status
		f(st, op)
		if status == "CANCEL_COMPLETE" {
			op.Status, op.ErrorCode = status, ""
		}
		op.Changed = region.Stamp(s.now())
		return nil
	})
}

// failure is the text of a handler that got an error from a service.
func failure(op *region.Operation, err error) string {
	var e *region.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	if e.Code == "NotFound" || e.Code == "NotStabilized" {
		return e.Message
	}
	return fmt.Sprintf("%s (Service: %s, Status Code: 400, Request ID: %s)", e.Message, serviceOf(op.Type), op.Token)
}

// serviceOf is the second part of a type's name.
func serviceOf(typ string) string { return strings.Split(typ, "::")[1] }

// handlerCode is the code of a failed request.
func handlerCode(action string, err error) string {
	var e *region.Error
	if !errors.As(err, &e) {
		return "InternalFailure"
	}
	if e.Code == "NotStabilized" {
		return e.Code
	}
	switch e.Kind {
	case region.NotFound:
		if action == create {
			return "InvalidRequest" // what the new resource refers to is missing
		}
		return "NotFound"
	case region.Exists:
		return "AlreadyExists"
	case region.Limit:
		return "ServiceLimitExceeded"
	case region.Dependency, region.Busy:
		return "GeneralServiceException"
	case region.Invalid:
	}
	return "InvalidRequest"
}
