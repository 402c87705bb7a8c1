package aws

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"golang.org/x/sync/singleflight"

	"github.com/droverhq/drover/internal/aws/internal/schema"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// SCHEMAS is a folder of CloudFormation registry schemas, one JSON file a type.
//go:generate sh -c "go run ./internal/genfacts $SCHEMAS facts.json"

//go:embed facts.json
var embedded []byte

// catalog knows the facts of resource types: common ones from the embedded
// table, any other from the registry, asked once.
type catalog struct {
	registry *cloudformation.Client
	asking   singleflight.Group // by type: one that is slow to answer holds up no other

	mu    sync.Mutex
	known map[string]schema.Facts
}

func newCatalog(registry *cloudformation.Client) *catalog {
	known := map[string]schema.Facts{}
	if err := json.Unmarshal(embedded, &known); err != nil {
		known = map[string]schema.Facts{} // the registry still has them; a test holds the table
	}
	return &catalog{registry: registry, known: known}
}

func (c *catalog) facts(ctx context.Context, typ string) (schema.Facts, error) {
	if f, ok := c.have(typ); ok {
		return f, nil
	}
	told, err, _ := c.asking.Do(typ, func() (any, error) { return c.describe(ctx, typ) })
	if err != nil {
		return schema.Facts{}, err
	}
	f := told.(schema.Facts)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[typ] = f
	return f, nil
}

func (c *catalog) have(typ string) (schema.Facts, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.known[typ]
	return f, ok
}

func (c *catalog) describe(ctx context.Context, typ string) (schema.Facts, error) {
	out, err := c.registry.DescribeType(ctx, &cloudformation.DescribeTypeInput{
		Type: cfntypes.RegistryTypeResource, TypeName: &typ})
	var unknown *cfntypes.TypeNotFoundException
	switch {
	case errors.As(err, &unknown):
		return schema.Facts{}, &problem.Error{Kind: problem.Usage, Op: "read the schema of " + typ,
			Err: errors.New("AWS has no such resource type"), Fix: "correct the type's name"}
	case err != nil:
		return schema.Facts{}, fmt.Errorf("read the schema of %s: %w", typ, err)
	case out.ProvisioningType == cfntypes.ProvisioningTypeNonProvisionable:
		return schema.Facts{}, &problem.Error{Kind: problem.Usage, Op: "read the schema of " + typ,
			Err: errors.New("the Cloud Control API cannot manage this type"),
			Fix: "take it out of the stack and make it by other means"}
	}
	_, f, err := schema.Parse([]byte(aws.ToString(out.Schema)))
	return f, err
}

// replaces lists the properties that differ and cannot be changed in place.
// Conditional ones are not among them: only the service knows, and says so.
func replaces(f schema.Facts, old, want map[string]any) []string {
	var out []string
	if f.Immutable {
		for _, k := range engine.Keys(old, want) {
			if !equal(old[k], want[k]) {
				out = append(out, k)
			}
		}
		return out
	}
	for _, path := range f.CreateOnly {
		path, _, _ = strings.Cut(path, "/*") // a fixed field of an item fixes the list
		if !equal(at(old, path), at(want, path)) {
			out = append(out, strings.ReplaceAll(path, "/", "."))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// at is the value at a path, nil if there is none.
func at(v any, path string) any {
	for _, key := range strings.Split(path, "/") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// schemaTimeout bounds the one registry call that planning a type without embedded facts costs.
const schemaTimeout = 30 * time.Second
