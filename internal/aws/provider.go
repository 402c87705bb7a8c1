package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/aws/internal/schema"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// Provider manages objects of every AWS type through the Cloud Control API.
//
// A create may be lost on its way back. Three things find its object again:
// the client token, which makes AWS answer as it did before; the physical name,
// for types that have one; and the owner's tags, without which no object of
// that name is taken over.
type Provider struct {
	control control
	catalog *catalog
	stable  func(ctx context.Context, typ, id string, wait func(string)) error
}

var (
	_ engine.Provider      = (*Provider)(nil)
	_ engine.DeleteFirster = (*Provider)(nil)
	_ engine.Steadier      = (*Provider)(nil)
)

// Provider is the engine's provider for all types that hold "::".
func (c *Cloud) Provider() *Provider {
	return &Provider{control: control{c.control}, catalog: newCatalog(c.registry), stable: c.stable}
}

// manyTries bounds the tries of one create. Most of them are replays of the
// failures of earlier runs with the same token, each a single quick call.
const manyTries = 500

// Create makes the object; see Provider for what happens to a lost answer.
func (p *Provider) Create(ctx context.Context, r engine.Request) (engine.Object, error) {
	op := "create " + subject(r)
	f, err := p.catalog.facts(ctx, r.Type)
	if err != nil {
		return engine.Object{}, err
	}
	want, err := normal(tagged(f, r.Want, r.Tags))
	if err != nil {
		return engine.Object{}, fmt.Errorf("%s: %w", op, err)
	}
	desired, err := json.Marshal(want)
	if err != nil {
		return engine.Object{}, fmt.Errorf("%s: %w", op, err)
	}
	t, certain := newTries(r.Wait), true
	for n := 0; n < manyTries; n++ {
		id, err := p.control.create(ctx, r.Type, clientToken(r.Token, n), desired, r.Wait)
		if err == nil {
			return p.created(ctx, r, f, id)
		}
		fail := failureOf(err)
		if fail == nil {
			return engine.Object{}, explain(op, err)
		}
		obj, adopted, err := p.salvage(ctx, r, f, want, fail)
		if adopted || err != nil {
			return obj, err
		}
		if certain = certain && fail.certain(); fail.replay {
			continue
		}
		if err := t.again(ctx, fail, fail.patience()); err != nil {
			return engine.Object{}, notMade(explain(op, err), certain && failureOf(err) != nil)
		}
	}
	return engine.Object{}, &problem.Error{Kind: problem.Outside, Op: op,
		Err: fmt.Errorf("it failed %d times", manyTries),
		Fix: "wait 36 hours, after which AWS forgets these requests, or rename the resource in the file"}
}

func (p *Provider) created(ctx context.Context, r engine.Request, f schema.Facts, id string) (engine.Object, error) {
	props, err := p.control.getNew(ctx, r.Type, id)
	if err != nil {
		return engine.Object{ID: id}, explain("read the new "+subject(r), err)
	}
	return object(f, id, props), nil
}

// salvage looks at what a failed create left behind: an object that is ours
// and good is adopted, one that is ours and half made is deleted, and one that
// is not ours is left alone.
func (p *Provider) salvage(ctx context.Context, r engine.Request, f schema.Facts, want map[string]any, fail *failure) (
	obj engine.Object, adopted bool, err error) {
	switch fail.code {
	case "AlreadyExists", "ClientTokenConflict":
		return p.adopt(ctx, r, f, want)
	case "ResourceConflict", "ConcurrentOperation":
		return engine.Object{}, false, nil // an identifier here is somebody else's
	}
	if fail.id == "" {
		return engine.Object{}, false, nil
	}
	live, err := p.control.get(ctx, r.Type, fail.id)
	switch {
	case isNotFound(err):
		return engine.Object{}, false, nil
	case err != nil:
		return engine.Object{}, false, explain("read what a failed create left of "+subject(r), err)
	case !p.ours(f, r, fail.id, live):
		return engine.Object{}, false, nil
	}
	if fail.code == "NotStabilized" || fail.code == "ServiceTimeout" {
		if err := p.stable(ctx, r.Type, fail.id, r.Wait); err == nil {
			obj, err := p.created(ctx, r, f, fail.id)
			return obj, err == nil, err
		}
	}
	if fail.replay && !assigned(f) {
		return engine.Object{}, false, nil // a later try may have made it anew, under the same name
	}
	half := r
	half.ID = fail.id
	if err := p.Delete(ctx, half); err != nil {
		return engine.Object{ID: fail.id}, false, fmt.Errorf("%w (the create had failed: %w)", err, fail)
	}
	return engine.Object{}, false, nil
}

// adopt finds the object that has our name and is ours, and makes it as wanted.
func (p *Provider) adopt(ctx context.Context, r engine.Request, f schema.Facts, want map[string]any) (
	engine.Object, bool, error) {
	id, ok := identify(f, want)
	if !ok {
		var err error
		if id, ok, err = p.find(ctx, r, f, want); err != nil || !ok {
			return engine.Object{}, false, err
		}
	}
	live, err := p.control.get(ctx, r.Type, id)
	if isNotFound(err) || err == nil && !p.ours(f, r, id, live) {
		return engine.Object{}, false, nil
	}
	if err != nil {
		return engine.Object{}, false, explain("adopt "+subject(r), err)
	}
	adopted := r
	adopted.ID, adopted.Old = id, covered(f, live, want)
	obj, err := p.Update(ctx, adopted)
	return obj, err == nil, err
}

// find looks through all objects of a type whose identifier AWS assigns (a
// launch template) for the one with our physical name.
func (p *Provider) find(ctx context.Context, r engine.Request, f schema.Facts, want map[string]any) (
	id string, found bool, err error) {
	named := nameProperty(r.Name, want)
	if named == "" {
		return "", false, nil
	}
	ids, err := p.control.list(ctx, r.Type, parents(f, want))
	if err != nil {
		return "", false, explain("look for "+subject(r), err)
	}
	for _, id := range ids {
		live, err := p.control.get(ctx, r.Type, id)
		if err == nil && live[named] == r.Name {
			return id, true, nil
		}
	}
	return "", false, nil
}

func nameProperty(name string, want map[string]any) string {
	for _, key := range unionKeys(want, nil) {
		if name != "" && want[key] == name {
			return key
		}
	}
	return ""
}

// parents are the wanted values of fixed properties, which list handlers may
// ask for (ClusterName).
func parents(f schema.Facts, want map[string]any) map[string]any {
	model := map[string]any{}
	for _, path := range f.CreateOnly {
		if v, ok := want[path].(string); ok {
			model[path] = v
		}
	}
	return model
}

// suffixed names end in the engine's random suffix, which nobody else would choose.
var suffixed = regexp.MustCompile(`-[0-9a-f]{7}$`)

// ours says whether a live object may be taken over, or deleted as half made.
func (p *Provider) ours(f schema.Facts, r engine.Request, id string, live map[string]any) bool {
	readable := f.Tags != "" && !slices.Contains(f.WriteOnly, f.Tags)
	if tags := tagsOf(live[f.Tags]); readable && len(tags) > 0 {
		for key, value := range r.Tags {
			if tags[key] != value {
				return false
			}
		}
		return len(r.Tags) > 0
	}
	if assigned(f) && nameProperty(r.Name, live) == "" {
		return true // AWS made this identifier up for our request
	}
	if readable && len(r.Tags) > 0 {
		return false // it could have our tags, and has none
	}
	return suffixed.MatchString(r.Name) && (strings.Contains(id, r.Name) || nameProperty(r.Name, live) != "")
}

// assigned types get their identifier from AWS, not from a wanted name.
func assigned(f schema.Facts) bool {
	return slices.ContainsFunc(f.ID, func(name string) bool { return slices.Contains(f.ReadOnly, name) })
}

// Read returns engine.ErrNotFound once the object is gone.
func (p *Provider) Read(ctx context.Context, r engine.Request) (engine.Object, error) {
	f, err := p.catalog.facts(ctx, r.Type)
	if err != nil {
		return engine.Object{}, err
	}
	props, err := p.control.get(ctx, r.Type, r.ID)
	if isNotFound(err) {
		return engine.Object{}, fmt.Errorf("%s: %w", subject(r), engine.ErrNotFound)
	}
	if err != nil {
		return engine.Object{}, explain("read "+subject(r), err)
	}
	return object(f, r.ID, props), nil
}

// Update changes what differs between r.Old and r.Want, and nothing else.
func (p *Provider) Update(ctx context.Context, r engine.Request) (engine.Object, error) {
	op := "update " + subject(r)
	f, err := p.catalog.facts(ctx, r.Type)
	if err != nil {
		return engine.Object{}, err
	}
	want, err := normal(tagged(f, r.Want, r.Tags))
	if err != nil {
		return engine.Object{}, fmt.Errorf("%s: %w", op, err)
	}
	old, err := normal(tagged(f, r.Old, r.Tags))
	if err != nil {
		return engine.Object{}, fmt.Errorf("%s: %w", op, err)
	}
	for _, target := range stages(r.Type, old, want) {
		if err := p.change(ctx, r, f, old, target); err != nil {
			return engine.Object{}, explain(op, err)
		}
		old = target
	}
	return p.Read(ctx, r)
}

// change sends one patch, again if need be. The live object is read before
// each try: what a failed one has removed cannot be removed again.
func (p *Provider) change(ctx context.Context, r engine.Request, f schema.Facts, old, want map[string]any) error {
	t := newTries(r.Wait)
	for {
		live, err := p.control.get(ctx, r.Type, r.ID)
		if err != nil {
			return err
		}
		diff := patch{facts: f, resend: resends[r.Type], old: old, want: want, live: live}
		ops := diff.operations()
		if len(ops) == 0 {
			return nil
		}
		err = p.control.update(ctx, r.Type, r.ID, ops, r.Wait)
		fail := failureOf(err)
		if fail == nil {
			return err
		}
		patience := fail.patience()
		if fail.unclear() {
			patience = settlingFor
		}
		if err := t.again(ctx, fail, patience); err != nil {
			return err
		}
	}
}

// resends are properties that the read handler returns in a form that the
// update handler refuses (a launch template by ID and by name), so that each
// patch must set them as wanted: terraform-provider-awscc #2980,
// pulumi-aws-native #2260.
var resends = map[string][]string{
	"AWS::AutoScaling::AutoScalingGroup": {"LaunchTemplate", "MixedInstancesPolicy"},
	"AWS::EKS::Nodegroup":                {"LaunchTemplate"},
}

// stages splits a change that a service takes only alone: EKS moves the
// version in an update of its own (aws/containers-roadmap #1258). It comes last,
// since everything else also works on the old version.
func stages(typ string, old, want map[string]any) []map[string]any {
	if typ != "AWS::EKS::Cluster" && typ != "AWS::EKS::Nodegroup" {
		return []map[string]any{want}
	}
	first := map[string]any{}
	for key, value := range want {
		first[key] = value
	}
	for _, key := range []string{"Version", "ReleaseVersion"} {
		if value, ok := old[key]; ok {
			first[key] = value
		} else {
			delete(first, key)
		}
	}
	return []map[string]any{first, want}
}

// Delete returns when the object is gone. While something still uses it, it is
// asked again.
func (p *Provider) Delete(ctx context.Context, r engine.Request) error {
	if r.ID == "" {
		return fmt.Errorf("delete %s: %w", subject(r), errors.New("it has no identifier"))
	}
	t := newTries(r.Wait)
	for {
		err := p.control.remove(ctx, r.Type, r.ID, r.Wait)
		if err == nil || isNotFound(err) {
			return nil
		}
		fail := failureOf(err)
		if fail == nil {
			return explain("delete "+subject(r), err)
		}
		patience := fail.patience()
		if fail.blocked() || fail.unclear() {
			patience = dependentsFor
		}
		if err := t.again(ctx, fail, patience); err != nil {
			return explain("delete "+subject(r), err)
		}
	}
}

// Replaces lists properties that only a new object can have otherwise.
func (p *Provider) Replaces(typ string, old, want plan.Props) []string {
	f, ok := p.factsForPlan(typ)
	before, errOld := normal(old)
	after, errWant := normal(want)
	if !ok || errOld != nil || errWant != nil {
		return nil // Update will meet the same error, and can tell it
	}
	return replaces(f, before, after)
}

// DeleteFirst says whether an object cannot stand beside the one that replaces
// it: its type allows one at a time, or both would have the same name.
func (p *Provider) DeleteFirst(typ string, old, want plan.Props) bool {
	f, _ := p.factsForPlan(typ)
	return f.DeleteFirst || sameIdentity(f, old, want) || sameName(typ, old, want)
}

// sameIdentity reports that both objects would have one identifier, as it is made of their properties.
func sameIdentity(f schema.Facts, old, want plan.Props) bool {
	before, ok := identify(f, old)
	after, okToo := identify(f, want)
	return ok && okToo && before == after
}

// scopes are properties within whose value a name is unique; other names are in account and region.
var scopes = map[string]string{"AWS::EC2::SecurityGroup": "VpcId"}

// sameName reports that both objects would have one name, of a type whose identifier AWS assigns.
func sameName(typ string, old, want plan.Props) bool {
	if scope := scopes[typ]; scope != "" && !equal(old[scope], want[scope]) {
		return false
	}
	kind := typ[strings.LastIndexByte(typ, ':')+1:]
	for _, key := range []string{"Name", kind + "Name", kind + "Identifier", "GroupName"} {
		if name, ok := want[key].(string); ok && name != "" && old[key] == name {
			return true
		}
	}
	return false
}

// steady are outputs that the service sets once and for all; the schemas do
// not tell them from those that move with each update (LatestVersionNumber).
var steady = map[string][]string{
	"AWS::EC2::NatGateway": {"EniId"},
	"AWS::EC2::VPC":        {"DefaultSecurityGroup", "DefaultNetworkAcl"},
	"AWS::EKS::Cluster": {"Arn", "CertificateAuthorityData", "ClusterSecurityGroupId", "Endpoint", "Id",
		"OpenIdConnectIssuerUrl"},
	"AWS::ElasticLoadBalancing::LoadBalancer":   {"CanonicalHostedZoneName", "CanonicalHostedZoneNameID", "DNSName"},
	"AWS::ElasticLoadBalancingV2::LoadBalancer": {"CanonicalHostedZoneID", "DNSName"},
}

// Steady says whether no update in place changes an output.
func (p *Provider) Steady(typ, output string) bool {
	f, _ := p.factsForPlan(typ)
	path := strings.ReplaceAll(output, ".", "/")
	within := func(fixed string) bool { return path == fixed || strings.HasPrefix(path, fixed+"/") }
	return slices.ContainsFunc(slices.Concat(f.ID, f.CreateOnly, steady[typ]), within)
}

// factsForPlan serves the calls of the planner, which have no context, as for
// nearly all types there is nothing to wait for.
func (p *Provider) factsForPlan(typ string) (schema.Facts, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), schemaTimeout)
	defer cancel()
	f, err := p.catalog.facts(ctx, typ)
	return f, err == nil
}

// subject names the object as people know it.
func subject(r engine.Request) string {
	switch {
	case r.Name != "" && r.ID != "" && r.ID != r.Name:
		return fmt.Sprintf("%s %s (%s)", r.Type, r.Name, r.ID)
	case r.Name != "":
		return r.Type + " " + r.Name
	}
	return strings.TrimSpace(r.Type + " " + r.ID)
}

// tries paces the repetitions of one call.
type tries struct {
	start time.Time
	pause backoff
	wait  func(string)
}

func newTries(wait func(string)) *tries { return &tries{start: time.Now(), wait: wait} }

// again sleeps before the next try, or returns the failure when patience is used up.
func (t *tries) again(ctx context.Context, fail *failure, patience time.Duration) error {
	if time.Since(t.start) >= patience {
		return fail
	}
	if t.wait != nil {
		t.wait("trying again: " + fail.Error())
	}
	return pause(ctx, t.pause.next())
}
