package lbcontroller

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// annotations are those of an object below one prefix. A mistake in one is kept
// until all are read.
type annotations struct {
	prefix string
	values []map[string]string // the first that has a key counts
	err    error
}

func (a *annotations) get(name, otherwise string) string {
	for _, values := range a.values {
		if v, ok := values[a.prefix+name]; ok {
			return strings.TrimSpace(v)
		}
	}
	return otherwise
}

func (a *annotations) fail(name, format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf("annotation %s%s: %s", a.prefix, name, fmt.Sprintf(format, args...))
	}
}

func (a *annotations) number(name string, otherwise int32) int32 {
	text := a.get(name, "")
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		a.fail(name, "%q is no number", text)
	}
	return int32(n)
}

// list reads "a, b".
func (a *annotations) list(name string) (list []string) {
	for part := range strings.SplitSeq(a.get(name, ""), ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// pairs reads "a=b, c=d".
func (a *annotations) pairs(name string) map[string]string {
	pairs := map[string]string{}
	for _, part := range a.list(name) {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			a.fail(name, "%q is not key=value", part)
		}
		pairs[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return pairs
}

func (a *annotations) scheme(name, otherwise string) types.LoadBalancerSchemeEnum {
	scheme := types.LoadBalancerSchemeEnum(a.get(name, otherwise))
	if scheme != types.LoadBalancerSchemeEnumInternal && scheme != types.LoadBalancerSchemeEnumInternetFacing {
		a.fail(name, "%q is neither internal nor internet-facing", scheme)
	}
	return scheme
}

func (a *annotations) targetType(name, otherwise string) types.TargetTypeEnum {
	kind := types.TargetTypeEnum(a.get(name, otherwise))
	if kind != types.TargetTypeEnumIp && kind != types.TargetTypeEnumInstance {
		a.fail(name, "%q is neither ip nor instance", kind)
	}
	return kind
}

// check reads how targets are probed; names says how the annotations are called.
func (a *annotations) check(otherwise check, names checkNames) check {
	return check{protocol: types.ProtocolEnum(strings.ToUpper(a.get("healthcheck-protocol", string(otherwise.protocol)))),
		port: a.get("healthcheck-port", otherwise.port), path: a.get("healthcheck-path", otherwise.path), codes: a.get("success-codes", otherwise.codes),
		interval: a.number(names.interval, otherwise.interval), timeout: a.number(names.timeout, otherwise.timeout),
		healthy: a.number(names.healthy, otherwise.healthy), unhealthy: a.number(names.unhealthy, otherwise.unhealthy)}
}

type checkNames struct{ interval, timeout, healthy, unhealthy string }

var (
	ingressChecks = checkNames{"healthcheck-interval-seconds", "healthcheck-timeout-seconds", "healthy-threshold-count", "unhealthy-threshold-count"}
	serviceChecks = checkNames{"healthcheck-interval", "healthcheck-timeout", "healthcheck-healthy-threshold", "healthcheck-unhealthy-threshold"}
)
