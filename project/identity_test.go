package project

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// fakeAccount answers who calls and which zones there are. Whatever else it is
// asked is noted and refused.
type fakeAccount struct {
	account string // empty: nobody may ask
	zones   string // letters
	asked   []string
}

func (f *fakeAccount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch form := string(body); {
	case strings.Contains(form, "Action=GetCallerIdentity") && f.account != "":
		_, _ = fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>%s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, f.account)
		return
	case strings.Contains(form, "Action=DescribeAvailabilityZones"):
		_, _ = fmt.Fprint(w, `<DescribeAvailabilityZonesResponse><availabilityZoneInfo>`)
		for _, z := range f.zones {
			_, _ = fmt.Fprintf(w, `<item><zoneName>us-west-2%c</zoneName><zoneState>available</zoneState></item>`, z)
		}
		_, _ = fmt.Fprint(w, `</availabilityZoneInfo></DescribeAvailabilityZonesResponse>`)
		return
	case !strings.Contains(form, "Action=GetCallerIdentity"):
		f.asked = append(f.asked, r.Header.Get("X-Amz-Target")+" "+form)
	}
	w.WriteHeader(http.StatusForbidden)
	_, _ = fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`)
}

// settled makes a stack that lives in us-west-2 of account 111 and has the VPC
// of its network there.
func settled(t *testing.T) (*Project, *fakeAccount) {
	t.Helper()
	f := &fakeAccount{account: "111", zones: "abc"}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	for k, v := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "us-west-2", "AWS_ACCESS_KEY_ID": "a",
		"AWS_SECRET_ACCESS_KEY": "b", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(k, v)
	}
	p := stackOf(t)
	declare(t, p, "name: shop\ncluster: {version: \"1.36\"}\n")
	s, err := p.store.Lock(t.Context(), "dev", "up")
	if err != nil {
		t.Fatal(err)
	}
	vpc := state.Resource{URN: plan.NewURN("dev", "shop", spec.VPCKey.Type, spec.VPCKey.Name), Gen: 1,
		Type: spec.VPCKey.Type, Name: spec.VPCKey.Name, Component: "network", ID: "vpc-1"}
	in, err := s.Begin(t.Context(), state.Intent{Op: plan.Create, URN: vpc.URN, Gen: 1, Resource: &vpc})
	zones := []string{"us-west-2a", "us-west-2b", "us-west-2c"}
	err = errors.Join(err, s.Done(t.Context(), in, &vpc),
		s.Pin(t.Context(), state.Identity{Account: "111", Region: "us-west-2", Zones: zones}), s.Unlock(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return p, f
}

func declare(t *testing.T, p *Project, file string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, spec.File), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
}

// refuses checks that a command ends before anything is asked for or forgotten.
func refuses(t *testing.T, p *Project, f *fakeAccount, text string, commands ...string) {
	t.Helper()
	agree := func(plan.Plan) error { return nil }
	run := map[string]func() error{
		"preview": func() error { _, err := p.Preview(t.Context(), event.Discard); return err },
		"up":      func() error { return p.Up(t.Context(), event.Discard, agree) },
		"destroy": func() error { return p.Destroy(t.Context(), event.Discard, agree) },
		"refresh": func() error { return p.Refresh(t.Context(), event.Discard, func([]Drift) error { return nil }) },
		"restore": func() error { return p.Restore(t.Context(), RestoreOptions{}) },
	}
	for _, c := range commands {
		err := run[c]()
		var known *problem.Error
		if !errors.As(err, &known) || known.Kind != problem.Refused || known.Fix == "" || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", c, err)
		}
	}
	if s, err := p.store.Read(t.Context(), "dev"); err != nil || len(s.Resources) != 1 || len(s.Pending) != 0 || len(f.asked) > 0 {
		t.Errorf("%+v, %v, asked %q", s, err, f.asked)
	}
}

func TestRenamedProjectDeletesNothing(t *testing.T) {
	p, f := settled(t)
	declare(t, p, "name: store\ncluster: {version: \"1.36\"}\n")
	refuses(t, p, f, "belongs to project shop", "preview", "up")
}

func TestAnotherRegionIsRefused(t *testing.T) {
	p, f := settled(t)
	t.Setenv("AWS_REGION", "us-east-1")
	refuses(t, p, f, "it lives in region us-west-2", "preview", "up", "destroy", "refresh", "restore")
}

func TestAnotherAccountIsRefused(t *testing.T) {
	p, f := settled(t)
	f.account = "222"
	refuses(t, p, f, "it lives in account 111", "preview", "up", "destroy", "refresh", "restore")
}

func TestOtherZonesAreRefused(t *testing.T) {
	p, f := settled(t)
	declare(t, p, "name: shop\ncluster: {version: \"1.36\", network: {zones: [us-west-2a, us-west-2b]}}\n")
	refuses(t, p, f, "EKS keeps a cluster to the zones", "preview", "up")
}

// subnets are the zones of those that the file now stands for.
func subnets(t *testing.T, p *Project) ([]string, error) {
	t.Helper()
	files, cloud, err := p.declared(t.Context())
	if err != nil {
		return nil, err
	}
	s, err := p.store.Read(t.Context(), "dev")
	if err != nil {
		return nil, err
	}
	want, _, err := p.desired(t.Context(), files, cloud, s, event.Discard)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, r := range want.Resources {
		if r.Type == "AWS::EC2::Subnet" {
			all = append(all, fmt.Sprint(r.Name, r.Props["CidrBlock"], r.Props["AvailabilityZone"]))
		}
	}
	return all, nil
}

// A zone that is not available today and a new one of the region change nothing.
func TestZonesOfTheDayChangeNothing(t *testing.T) {
	p, f := settled(t)
	before, err := subnets(t, p)
	if err != nil || len(before) != 6 {
		t.Fatal(before, err)
	}
	for _, today := range []string{"ac", "abcd", ""} {
		f.zones = today
		if now, err := subnets(t, p); err != nil || !slices.Equal(now, before) {
			t.Errorf("zones %q: %q, %v", today, now, err)
		}
	}
}

// At the first up the file may say which zones; those must exist.
func TestFileChoosesZones(t *testing.T) {
	p, f := settled(t)
	if err := p.store.Init(t.Context(), "new", "shop"); err != nil {
		t.Fatal(err)
	}
	fresh, err := p.store.Read(t.Context(), "new")
	if err != nil {
		t.Fatal(err)
	}
	declare(t, p, "name: shop\ncluster: {version: \"1.36\", network: {zones: [us-west-2c, us-west-2a]}}\n")
	p.stack = "new"
	files, cloud, err := p.declared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, at, err := p.desired(t.Context(), files, cloud, fresh, event.Discard)
	if err != nil || !slices.Equal(at.Zones, []string{"us-west-2a", "us-west-2c"}) || at.Account != "111" || at.Region != "us-west-2" {
		t.Errorf("%+v, %v", at, err)
	}
	f.zones = "ab"
	if _, _, err := p.desired(t.Context(), files, cloud, fresh, event.Discard); problem.Exit(err) != int(problem.Usage) ||
		!strings.Contains(err.Error(), "has no zone us-west-2c") {
		t.Errorf("%v", err)
	}
}

// Who may not ask for the account works on, is told so, and loses no pin.
func TestUnknownAccountStopsNothing(t *testing.T) {
	p, f := settled(t)
	f.account = ""
	_, cloud, err := p.declared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.store.Read(t.Context(), "dev")
	if err != nil {
		t.Fatal(err)
	}
	var told []event.Fact
	at, err := locate(t.Context(), cloud, s, event.NewLog(time.Now, func(e event.Event) { told = append(told, e.Fact) }))
	if err != nil || at.Account != "111" || len(told) != 1 {
		t.Errorf("%+v, %v, told %v", at, err, told)
	}
}

// Where nobody listens nothing is planned by the state alone, and nothing begun.
func TestEndpointThatRefusesEndsTheCommand(t *testing.T) {
	p, f := settled(t)
	nobody := httptest.NewServer(f)
	nobody.Close()
	t.Setenv("AWS_ENDPOINT_URL", nobody.URL)
	err := p.Destroy(t.Context(), event.Discard, func(plan.Plan) error { t.Error("a plan is shown"); return nil })
	var known *problem.Error
	if !errors.As(err, &known) || known.Kind != problem.Outside || !strings.Contains(known.Fix, "AWS_ENDPOINT_URL") {
		t.Errorf("%v", err)
	}
}

// The first up pins where the stack lives, and once nothing is left it may live elsewhere.
func TestUpPinsAndAnEmptyStackIsFree(t *testing.T) {
	_, f := settled(t) // for its account
	p := stackOf(t)
	agree := func(plan.Plan) error { return nil }
	for _, account := range []string{"111", "222"} {
		f.account = account
		if err := p.Up(t.Context(), event.Discard, agree); err != nil {
			t.Fatal(err)
		}
		if s, err := p.store.Read(t.Context(), "dev"); err != nil || s.Identity.Account != account || s.Identity.Region != "us-west-2" {
			t.Errorf("%+v, %v", s.Identity, err)
		}
	}
}
