package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"

	"github.com/droverhq/drover/internal/aws/internal/schema"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/sleep"
)

// control sends single requests to the Cloud Control API and follows each to
// its end. What to do about a failure is decided by Provider.
type control struct{ api *cloudcontrol.Client }

// create returns the identifier of the new object.
func (c control) create(ctx context.Context, typ, token string, desired []byte, wait func(string)) (string, error) {
	out, err := c.api.CreateResource(ctx, &cloudcontrol.CreateResourceInput{
		TypeName: &typ, ClientToken: optional(token), DesiredState: aws.String(string(desired))}, once)
	if err != nil {
		return "", refused(err)
	}
	return c.follow(ctx, out.ProgressEvent, wait)
}

// once leaves repetitions to the caller, who must know whether an attempt may
// have had an effect.
func once(o *cloudcontrol.Options) { o.Retryer = aws.NopRetryer{} }

// update and remove let the SDK make a fresh client token: both may be
// repeated as they are, and an old token would only replay an old failure.
func (c control) update(ctx context.Context, typ, id string, ops []operation, wait func(string)) error {
	doc, err := json.Marshal(ops)
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	out, err := c.api.UpdateResource(ctx, &cloudcontrol.UpdateResourceInput{
		TypeName: &typ, Identifier: &id, PatchDocument: aws.String(string(doc))})
	if err != nil {
		return refused(err)
	}
	_, err = c.follow(ctx, out.ProgressEvent, wait)
	return err
}

func (c control) remove(ctx context.Context, typ, id string, wait func(string)) error {
	out, err := c.api.DeleteResource(ctx, &cloudcontrol.DeleteResourceInput{TypeName: &typ, Identifier: &id})
	if err != nil {
		return refused(err)
	}
	_, err = c.follow(ctx, out.ProgressEvent, wait)
	return err
}

// follow asks for a request's status until it has ended. The SDK's waiter is
// not used: it polls every 5 to 120 s, so that a VPC of one second takes five,
// it overlooks RetryAfter, and it hides what the handler says meanwhile.
func (c control) follow(ctx context.Context, ev *types.ProgressEvent, wait func(string)) (id string, err error) {
	var b backoff
	for polls := 0; ; polls++ {
		if ev == nil {
			return "", errors.New("Cloud Control answered without a progress event")
		}
		switch ev.OperationStatus {
		case types.OperationStatusSuccess:
			return aws.ToString(ev.Identifier), nil
		case types.OperationStatusFailed, types.OperationStatusCancelComplete:
			return "", failed(ev, polls == 0)
		default: // under way
		}
		tell(wait, ev)
		if err := sleep.For(ctx, untilNext(ev, &b)); err != nil {
			return "", err
		}
		out, err := c.status(ctx, ev.RequestToken, wait)
		if err != nil {
			return "", err
		}
		ev = out.ProgressEvent
	}
}

// status asks once more how a request goes, again and again while AWS is too
// busy to tell: the request itself goes on meanwhile.
func (c control) status(ctx context.Context, token *string, wait func(string)) (*cloudcontrol.GetResourceRequestStatusOutput, error) {
	t := newTries(wait)
	for {
		out, err := c.api.GetResourceRequestStatus(ctx, &cloudcontrol.GetResourceRequestStatusInput{RequestToken: token})
		if err == nil {
			return out, nil
		}
		err = refusedBy(engine.Poll, err)
		fail := failureOf(err)
		if fail == nil {
			return nil, &pollError{err}
		}
		if !fail.busy() {
			return nil, err
		}
		if again := t.again(ctx, fail, transientFor); again != nil {
			return nil, err
		}
	}
}

func tell(wait func(string), ev *types.ProgressEvent) {
	if wait == nil {
		return
	}
	text := aws.ToString(ev.StatusMessage)
	if text == "" {
		text = strings.ToLower(strings.ReplaceAll(string(ev.OperationStatus), "_", " "))
	}
	wait("AWS: " + text)
}

// untilNext is the time to the next poll: RetryAfter if the handler set it,
// but never longer than half a minute, which keeps a wrong clock harmless.
func untilNext(ev *types.ProgressEvent, b *backoff) time.Duration {
	d := b.next()
	if ev.RetryAfter != nil {
		d = max(d, min(time.Until(*ev.RetryAfter), 30*time.Second))
	}
	return d
}

// get reads the live object; a failure NotFound says that there is none.
func (c control) get(ctx context.Context, typ, id string) (map[string]any, error) {
	out, err := c.api.GetResource(ctx, &cloudcontrol.GetResourceInput{TypeName: &typ, Identifier: &id})
	if err != nil {
		return nil, refused(err)
	}
	props := map[string]any{}
	if out.ResourceDescription == nil {
		return nil, errors.New("Cloud Control answered without a resource")
	}
	if err := json.Unmarshal([]byte(aws.ToString(out.ResourceDescription.Properties)), &props); err != nil {
		return nil, fmt.Errorf("decode properties of %s %s: %w", typ, id, err)
	}
	return props, nil
}

// getNew reads an object that was just made: for some seconds AWS may not know it yet.
func (c control) getNew(ctx context.Context, typ, id string) (map[string]any, error) {
	var b backoff
	for start := time.Now(); ; {
		props, err := c.get(ctx, typ, id)
		if !isNotFound(err) || time.Since(start) > 20*time.Second {
			return props, err
		}
		if err := sleep.For(ctx, b.next()); err != nil {
			return nil, err
		}
	}
}

// list returns the identifiers of all objects of a type. Some types want the
// required properties of their parent (ClusterName) in model.
func (c control) list(ctx context.Context, typ string, model map[string]any) ([]string, error) {
	data, err := json.Marshal(model)
	if err != nil {
		return nil, err
	}
	pages := cloudcontrol.NewListResourcesPaginator(c.api,
		&cloudcontrol.ListResourcesInput{TypeName: &typ, ResourceModel: aws.String(string(data))})
	var ids []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, refused(err)
		}
		for _, d := range page.ResourceDescriptions {
			ids = append(ids, aws.ToString(d.Identifier))
		}
	}
	return ids, nil
}

// object is what the engine keeps: the live properties, and each part of the
// identifier by its name, since not every read handler repeats those.
func object(f schema.Facts, id string, props map[string]any) engine.Object {
	parts := strings.Split(id, "|")
	if len(parts) == len(f.ID) {
		for i, name := range f.ID {
			name = name[strings.LastIndexByte(name, '/')+1:]
			if props[name] == nil {
				props[name] = parts[i]
			}
		}
	}
	return engine.Object{ID: id, Outputs: props}
}

// identify builds the identifier from wanted properties, if they hold all its parts.
func identify(f schema.Facts, want map[string]any) (string, bool) {
	parts := make([]string, len(f.ID))
	for i, name := range f.ID {
		text, ok := at(want, name).(string)
		if !ok || text == "" {
			return "", false
		}
		parts[i] = text
	}
	return strings.Join(parts, "|"), true
}

// clientTokens are what Cloud Control takes: up to 128 of these characters.
var clientTokens = regexp.MustCompile(`^[-A-Za-z0-9+/=]{1,124}$`)

// clientToken derives the token of the n-th try. Each try needs one of its own, as a
// token replays the failure it met; and the same ones on every run, so that
// the try that succeeded before a crash is found again.
func clientToken(token string, n int) string {
	switch {
	case token == "":
		return ""
	case !clientTokens.MatchString(token):
		sum := sha256.Sum256([]byte(token))
		token = hex.EncodeToString(sum[:])
	}
	if n == 0 {
		return token
	}
	return fmt.Sprintf("%s-%d", token, n)
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
