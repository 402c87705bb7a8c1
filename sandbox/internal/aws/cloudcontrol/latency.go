package cloudcontrol

import "time"

// Actions of an operation.
const (
	create = "CREATE"
	update = "UPDATE"
	remove = "DELETE"
)

// latency is how long the handlers of a type take at least, about a tenth of
// what Cloud Control is known to take, so that a rehearsal shows the same
// order of things without the waiting. What really waits (instances, the
// cluster) takes its own time on top.
type latency struct{ create, update, remove time.Duration }

// quick is the latency of the types that are not listed.
var quick = latency{500 * time.Millisecond, 500 * time.Millisecond, 400 * time.Millisecond}

var latencies = map[string]latency{
	"AWS::EC2::VPC":                         {800 * time.Millisecond, 500 * time.Millisecond, 400 * time.Millisecond},
	"AWS::EC2::InternetGateway":             {500 * time.Millisecond, 400 * time.Millisecond, 400 * time.Millisecond},
	"AWS::EC2::Route":                       {300 * time.Millisecond, 300 * time.Millisecond, 300 * time.Millisecond},
	"AWS::EC2::SubnetRouteTableAssociation": {300 * time.Millisecond, 0, 300 * time.Millisecond},
	"AWS::EC2::NatGateway":                  {2 * time.Second, 500 * time.Millisecond, 2 * time.Second},
	"AWS::IAM::Role":                        {600 * time.Millisecond, 500 * time.Millisecond, 400 * time.Millisecond},
	"AWS::IAM::InstanceProfile":             {800 * time.Millisecond, 500 * time.Millisecond, 400 * time.Millisecond},
	"AWS::EKS::Cluster":                     {4 * time.Second, 2 * time.Second, 2 * time.Second},
	"AWS::EKS::Addon":                       {time.Second, time.Second, time.Second},
	"AWS::AutoScaling::AutoScalingGroup":    {500 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond},
}

// Times that hold for every type.
const (
	acceptance = 50 * time.Millisecond  // from the request to the handler's first call
	retryBusy  = 500 * time.Millisecond // between attempts of a handler that has to wait
	patience   = 2 * time.Minute        // after which a handler gives up; minutes to hours on AWS
	retryAfter = 200 * time.Millisecond // when a client should ask again
	look       = 50 * time.Millisecond  // how often a waiting handler looks
)

func latencyOf(typ, action string) time.Duration {
	l, ok := latencies[typ]
	if !ok {
		l = quick
	}
	switch action {
	case create:
		return l.create
	case update:
		return l.update
	}
	return l.remove
}
