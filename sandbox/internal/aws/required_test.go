package aws

import (
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/droverhq/drover/sandbox/internal/aws/elbv2"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// What AWS requires of a request is missed if it is not there, by its name: clients of
// the SDK do not send such a request, others may. What is required, the SDK knows.
func TestWhatARequestLacksIsMissed(t *testing.T) {
	w := newWorld(t)
	endpoint := w.sandbox.newEndpoint()
	for service, client := range map[string]any{
		"autoscaling": autoscaling.NewFromConfig(w.cfg), "cloudformation": cloudformation.NewFromConfig(w.cfg), "elasticloadbalancing": elb.NewFromConfig(w.cfg),
		"elasticloadbalancing " + elbv2.Version: elasticloadbalancingv2.NewFromConfig(w.cfg), "iam": iam.NewFromConfig(w.cfg), "sts": sts.NewFromConfig(w.cfg),
	} {
		for name, action := range endpoint.query[service].actions {
			names := required(t, client, name)
			for _, lacks := range names {
				form := url.Values{}
				for _, other := range names {
					if other != lacks {
						form.Set(other, "x")
					}
				}
				_, err := action(nil, wire.NewForm(form))
				if err == nil || err.Error() != wire.Missing(lacks).Error() {
					t.Errorf("%s %s(%s) without %s: %v", service, name, strings.Join(names, ", "), lacks, err)
				}
			}
		}
	}
}

// required are the parameters without which the SDK does not send the request.
func required(t *testing.T, client any, operation string) []string {
	t.Helper()
	call := reflect.ValueOf(client).MethodByName(operation)
	if !call.IsValid() {
		t.Fatalf("the SDK has no %s", operation)
	}
	out := call.Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.New(call.Type().In(1).Elem())})
	err, _ := out[1].Interface().(error)
	var lacks smithy.InvalidParamsError
	if !errors.As(err, &lacks) {
		return nil
	}
	var names []string
	for _, one := range lacks.Errs() {
		var param smithy.InvalidParamError
		if errors.As(one, &param) {
			_, name, _ := strings.Cut(param.Field(), ".")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
