package aws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/aws/smithy-go"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// failure is how one Cloud Control request ended, if not well: refused at
// once, or failed by the type's handler later.
type failure struct {
	code    string // handler error code: AlreadyExists, Throttling, …
	message string
	id      string // set if the handler got as far as naming an object
	replay  bool   // told at once, so it is an earlier request's: this token was used before
	call    engine.Call
	handler bool // the handler's own end, not a refusal of the call
}

// ended reports that the request itself is over, not just a call about it.
func (f *failure) ended() bool { return f.handler || f.code == "RequestTokenNotFound" }

// Unwrap lets the engine see that no other call would fare better.
func (f *failure) Unwrap() error {
	if f.denied() {
		return engine.ErrCredentials
	}
	return nil
}

// denied tells credentials that AWS does not take.
func (f *failure) denied() bool {
	switch f.code {
	case "InvalidCredentials", "ExpiredToken", "UnrecognizedClient", "InvalidClientTokenId", "InvalidClientToken",
		"SignatureDoesNotMatch", "InvalidSignature", "IncompleteSignature", "MissingAuthenticationToken", "RequestExpired":
		return true
	}
	return false
}

// callOf is the call that an error is of.
func callOf(err error) engine.Call {
	if f := failureOf(err); f != nil {
		return f.call
	}
	var poll *pollError
	if errors.As(err, &poll) {
		return engine.Poll
	}
	return engine.Send
}

// pollError is an error that is no answer of AWS's, while a request is followed.
type pollError struct{ error }

func (e *pollError) Unwrap() error { return e.error }

// passing reports that an error without an answer may pass: the network's.
func passing(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func (f *failure) Error() string {
	if f.message == "" {
		return f.code
	}
	return f.code + ": " + f.message
}

func failed(ev *types.ProgressEvent, replay bool) *failure {
	code := string(ev.ErrorCode)
	if code == "" {
		code = string(ev.OperationStatus) // CANCEL_COMPLETE has no code
	}
	return &failure{code: code, message: aws.ToString(ev.StatusMessage), id: aws.ToString(ev.Identifier), replay: replay,
		call: engine.Send, handler: true}
}

// refused makes a failure of the service's own exceptions, whose names are the
// handler's codes with "Exception" behind; other errors stay as they are.
func refused(err error) error { return refusedBy(engine.Send, err) }

func refusedBy(call engine.Call, err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err
	}
	code := strings.TrimSuffix(api.ErrorCode(), "Exception")
	if code == "ResourceNotFound" {
		code = string(types.HandlerErrorCodeNotFound)
	}
	return &failure{code: code, message: api.ErrorMessage(), call: call}
}

func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return nil
}

func isNotFound(err error) bool {
	f := failureOf(err)
	return f != nil && (f.code == string(types.HandlerErrorCodeNotFound) || f.says("No cluster found for name"))
}

// The classes of the handler contract (CloudFormation CLI guide, "Handler
// error codes"), and how long each is worth repeating.
const (
	transientFor = 10 * time.Minute // throttling, another operation on the object, AWS's own faults
	// sendFor bounds the tries of one call that gets no answer: a refused endpoint is told within seconds.
	sendFor = 20 * time.Second
	// settlingFor bounds what a new IAM role or profile, or a new parent, takes to be known everywhere: seconds, up to a minute.
	settlingFor = 2 * time.Minute
	// dependentsFor bounds the wait for what still uses an object that shall go. The engine deletes users first,
	// so this is what AWS needs to let go, such as network interfaces of a deleted load balancer.
	dependentsFor = 10 * time.Minute
	// updatesFor bounds the wait for what a service itself does to an object, and lets nobody else do anything
	// meanwhile: EKS scales a control plane up, or updates it, for up to 40 minutes.
	updatesFor = time.Hour
)

// patience is how long the request that failed so may be repeated; 0: not at all.
func (f *failure) patience() time.Duration {
	if underWay.MatchString(f.message) {
		return updatesFor
	}
	switch f.code {
	case "Throttling", "ResourceConflict", "ServiceInternalError", "NetworkFailure", "ServiceTimeout",
		"ConcurrentOperation", "ConcurrentModification", "HandlerInternalFailure":
		return transientFor
	}
	if f.throttled() || f.says(passingWords...) {
		return transientFor
	}
	if f.says(propagating...) || f.code != "NotFound" && notYetKnown.MatchString(f.message) {
		return settlingFor
	}
	return 0
}

// patienceToMake is the patience with a failed create. What it cannot find is
// never the object itself, so it is a parent: if that was just made, the service
// has not heard of it yet.
func (f *failure) patienceToMake() time.Duration {
	if f.handler && f.code == string(types.HandlerErrorCodeNotFound) {
		return settlingFor
	}
	return f.patience()
}

// patienceToChange is the patience with a failed update. One whose effect nobody
// tells is sent again: it has none if it had it before.
func (f *failure) patienceToChange() time.Duration {
	if f.unclear() {
		return settlingFor
	}
	return f.patience()
}

// patienceToRemove is the patience with a failed delete: what still uses the
// object may be about to go.
func (f *failure) patienceToRemove() time.Duration {
	patience := f.patience()
	if f.blocked() || f.unclear() {
		patience = max(patience, dependentsFor)
	}
	return patience
}

// passingWords are those of services that are not well for a moment, or have
// not finished another request. S3 says the second of them.
var passingWords = []string{"service unavailable", "temporarily unavailable", "conflicting conditional operation", "PriorRequestNotComplete"}

// underWay is what EKS says while it works on an object itself.
var underWay = regexp.MustCompile(`(?i)(has (an )?update|has update \S+) in progress|currently being updated`)

// propagating is what services say of an IAM role, profile or policy that is
// new: they have not heard of it yet. EKS, EC2 and Auto Scaling each have
// words of their own.
var propagating = []string{
	"is invalid or cannot be assumed", "cannot be assumed", "could not be assumed", "trusted entity is not correct",
	"trust relationship", "is not authorized to perform: sts:AssumeRole", "Error in role params",
	"Invalid IAM Instance Profile", "Invalid iamInstanceProfile", "IAM instance profile",
	"Invalid principal", "principal is invalid", "principalArn is invalid",
	"doesn't have the Amazon EKS Managed Policies", "IAM role's policy must include",
	"after deleting a queue before", // SQS gives a name back after a minute
	"is not attached to any internet gateway",
}

// notYetKnown is said of a parent that was just made: by its ARN, or in EC2's
// codes (InvalidSubnetID.NotFound).
var notYetKnown = regexp.MustCompile(`(?i)role.*does not exist|Invalid[A-Za-z]+\.NotFound`)

// certain failures end a create for good: once what they name is cleaned up,
// nothing exists. Only these are, of all that AWS may say: a refusal before the
// handler began, or a handler that tells why it did not begin.
func (f *failure) certain() bool {
	if f.handler {
		return slices.Contains([]string{"AlreadyExists", "InvalidRequest", "NotFound", "AccessDenied", "InvalidCredentials",
			"UnauthorizedTaggingOperation", "ServiceLimitExceeded", "ResourceConflict", "NotUpdatable"}, f.code)
	}
	return f.call == engine.Send && (f.denied() || slices.Contains([]string{"AccessDenied", "UnauthorizedOperation", "Validation",
		"InvalidRequest", "TypeNotFound", "UnsupportedAction", "Throttling", "AlreadyExists", "ServiceLimitExceeded",
		"OptInRequired", "Serialization"}, f.code))
}

// busy tells a call that was not taken, or perhaps not taken, and may be sent again as it is.
func (f *failure) busy() bool {
	switch f.code {
	case "Throttling", "ServiceInternalError", "ServiceUnavailable", "InternalFailure", "InternalError", "InternalServerError",
		"NetworkFailure", "RequestTimeout":
		return !f.handler
	}
	return false
}

// throttled reports a handler's or a service's word for "too many requests".
func (f *failure) throttled() bool {
	codes := []string{"Throttling", "Throttled", "RequestThrottled", "TooManyRequests", "RequestLimitExceeded", "SlowDown"}
	return slices.Contains(codes, f.code) || f.says("rate exceeded", "request limit exceeded", "throttl", "too many requests", "RequestLimitExceeded")
}

// unclear tells a request whose effect AWS does not tell: an update or a
// delete may be sent again, a create may not.
func (f *failure) unclear() bool {
	return f.code == "NotStabilized" || f.code == "RequestTokenNotFound"
}

// blocked tells a delete that is refused because something still uses the object.
func (f *failure) blocked() bool {
	return f.says("DependencyViolation", "has dependencies", "dependent object", "DeleteConflict", "ResourceInUse",
		"in use", "ScalingActivityInProgress", "mapped public address", "must detach", "must remove", "has nodegroups attached", "Exceeded attempts to wait")
}

func (f *failure) says(parts ...string) bool {
	text := strings.ToLower(f.message)
	for _, part := range parts {
		if strings.Contains(text, strings.ToLower(part)) {
			return true
		}
	}
	return false
}

// explain gives a failure its remedy. Errors that are not about the request,
// such as a context that ended, pass.
func explain(op string, err error) error {
	f := failureOf(err)
	if f == nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return &problem.Error{Kind: problem.Outside, Op: op, Err: err, Fix: f.fix()}
}

const (
	unused   = "remove what still uses the object (it may be something this stack did not make), then run the command again"
	onceMore = "run the command again: what was done is saved, and the rest is taken up where it stopped"
)

// remedies are for what AWS tells in words alone, whatever its code.
var remedies = []struct {
	words []string
	fix   string
}{
	{[]string{"service control policy", "resource control policy"}, "ask who administers the organization: a policy of it forbids this, whatever the account allows"},
	{[]string{"permissions boundary"}, "ask who administers the account: the caller's permissions boundary forbids this"},
	{[]string{"VcpuLimitExceeded", "vCPU capacity", "AddressLimitExceeded", "maximum number of addresses", "VpcLimitExceeded", "maximum number of VPCs",
		"NatGatewayLimitExceeded", "maximum number of internet gateways", "SpotMaxPriceTooLow", "MaxSpotInstanceCountExceeded", "LimitExceeded"},
		"ask for a higher quota (AWS console, Service Quotas) or remove what is not needed, then run the command again"},
	{[]string{"InsufficientInstanceCapacity", "do not have sufficient", "sufficient capacity"},
		"AWS has no room for it there: name other instance types (instanceTypes takes several) or other zones (network.zones), or run the command again later"},
	{[]string{"failed to join the kubernetes cluster"},
		"see that the subnets lead to the API server and the registries (a NAT gateway, or VPC endpoints), and that userData is right; a node's console log tells more (aws ec2 get-console-output)"},
	{[]string{"InvalidKMSKey", "KMS key is disabled", "KMS key provided is in an incorrect state", "AccessDeniedException: The ciphertext"},
		"enable the key, and let its policy allow the service-linked role of Auto Scaling to use it (kms:CreateGrant, kms:Decrypt, kms:GenerateDataKey…)"},
	{[]string{"PendingVerification", "being validated"}, "AWS checks accounts that are new to a region: run the command again in a few hours"},
	{[]string{"scheduled for deletion"}, "give it another name, or restore what is scheduled to be deleted"},
}

func (f *failure) fix() string {
	for _, known := range remedies {
		if f.says(known.words...) {
			return known.fix
		}
	}
	switch f.code {
	case "AccessDenied", "UnauthorizedTaggingOperation":
		return "allow the action that is named above to the caller's IAM identity " +
			"(Cloud Control acts with the caller's own rights), then run the command again"
	case "InvalidCredentials", "ExpiredToken", "UnrecognizedClient", "InvalidClientTokenId", "InvalidClientToken",
		"SignatureDoesNotMatch", "InvalidSignature", "IncompleteSignature", "MissingAuthenticationToken", "RequestExpired":
		return "renew the AWS credentials, then run the command again"
	case "ServiceLimitExceeded":
		return "ask for a higher quota (AWS console, Service Quotas) or remove what is not needed, then run the command again"
	case "AlreadyExists":
		return "an object of this name exists that this stack does not own: delete it, or give the resource another name"
	case "NotUpdatable":
		return "this change needs a new object: rename the resource in the file, so that a new one is made and the old one deleted"
	case "InvalidRequest", "GeneralServiceException", "Validation":
		switch {
		case f.blocked():
			return unused
		case f.throttled(), f.says(passingWords...), underWay.MatchString(f.message):
			return onceMore
		}
		return "correct what is named above, then run the command again"
	case "UnsupportedAction", "TypeNotFound":
		return "Cloud Control does not manage this type in this region: take it out of the stack"
	}
	if f.blocked() {
		return unused
	}
	return onceMore
}

// backoff is a pause that grows by half each time: the first is 200 ms, so that
// what takes a second is not waited for five; the longest is 5 s.
type backoff struct{ last time.Duration }

const (
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

func (b *backoff) next() time.Duration {
	b.last = min(max(b.last*3/2, firstPause), longestPause)
	return b.last
}
