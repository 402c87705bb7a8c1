package aws

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/problem"
)

// What AWS says when it does not do what it was asked, how long that is met with
// patience, and what a person is told in the end. The words are those that
// issues of public tools quote, or that these tools wait for themselves.
func TestCatalogue(t *testing.T) {
	const make, change, remove = "create", "update", "delete"
	const quota, again, owner = "ask for a higher quota", "run the command again: what was done is saved", "remove what still uses the object"
	for _, c := range []struct {
		call, code, message string
		patience            time.Duration
		fix                 string
	}{
		// A role, a profile or a policy is new: IAM has not told everybody.
		{make, "InvalidRequest", "Role with arn: arn:aws:iam::1:role/x, could not be assumed because it does not exist or the trusted entity is not correct", settlingFor, "correct what is named"},
		{make, "InvalidRequest", "Role could not be assumed because the trusted entity is not correct", settlingFor, "correct"},
		{make, "InvalidRequest", "The provided role doesn't have the Amazon EKS Managed Policies associated with it. Please ensure the following policy is attached: arn:aws:iam::aws:policy/AmazonEKSClusterPolicy", settlingFor, "correct"},
		{make, "InvalidRequest", "roleArn, arn:aws:iam::123456789012:role/x, does not exist", settlingFor, "correct"},
		{make, "InvalidRequest", "Error in role params", settlingFor, "correct"},
		{make, "InvalidRequest", "IAM role's policy must include the `ec2:DescribeSubnets` action", settlingFor, "correct"},
		{make, "InvalidRequest", "The specified principalArn is invalid: invalid principal.", settlingFor, "correct"},
		{make, "GeneralServiceException", "Invalid IAM Instance Profile ARN (Service: AutoScaling, Status Code: 400)", settlingFor, "correct"},
		{make, "InvalidRequest", "The role defined for the function cannot be assumed by Lambda.", settlingFor, "correct"},
		{make, "InvalidRequest", "Policy contains a statement with one or more invalid principals.", settlingFor, "correct"},
		{make, "GeneralServiceException", "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::1:role/y", settlingFor, "correct"},
		// So is what it belongs to.
		{make, "InvalidRequest", "The subnet ID 'subnet-1' does not exist (Service: Ec2, Status Code: 400, Error Code: InvalidSubnetID.NotFound)", settlingFor, "correct"},
		{make, "GeneralServiceException", "The allocation ID 'eipalloc-1' does not exist (Service: Ec2, Error Code: InvalidAllocationID.NotFound)", settlingFor, "correct"},
		{make, "InvalidRequest", "The specified launch template does not exist (Service: Ec2, Error Code: InvalidLaunchTemplateId.NotFound)", settlingFor, "correct"},
		{make, "GeneralServiceException", "Network vpc-1 is not attached to any internet gateway (Error Code: Gateway.NotAttached)", settlingFor, "correct"},
		{make, "NotFound", "Resource of type 'AWS::EKS::Cluster' with identifier 'shop' was not found.", settlingFor, again},
		{make, "GeneralServiceException", "You must wait 60 seconds after deleting a queue before you can create another with the same name.", settlingFor, "correct"},
		// Too much at once, whatever the code.
		{make, "Throttling", "Rate exceeded", transientFor, again},
		{make, "GeneralServiceException", "Rate exceeded (Service: AmazonEC2; Status Code: 400; Error Code: Throttling)", transientFor, again},
		{change, "GeneralServiceException", "Request limit exceeded. (Service: Ec2, Status Code: 503)", transientFor, again},
		{remove, "TooManyRequests", "", transientFor, again},
		{change, "GeneralServiceException", "Too Many Requests (Service: Lambda, Status Code: 429)", transientFor, again},
		{change, "GeneralServiceException", "The request was rejected because Route 53 was still processing a prior request. (Error Code: PriorRequestNotComplete)", transientFor, again},
		// Somebody else is at it, or AWS is not well.
		{change, "ResourceConflict", "Cluster has an update in progress", updatesFor, again},
		{make, "GeneralServiceException", "A conflicting conditional operation is currently in progress against this resource. Please try again. (Service: S3, Status Code: 409)", transientFor, again},
		{make, "ServiceInternalError", "We encountered an internal error", transientFor, again},
		{remove, "GeneralServiceException", "Service Unavailable. Please try again later. (Service: AutoScaling, Status Code: 503)", transientFor, again},
		// EKS works on the object itself.
		{remove, "InvalidRequest", "Cannot delete because cluster shop currently has an update in progress", updatesFor, again},
		{change, "InvalidRequest", "Cannot LoggingUpdate because cluster shop currently has update 0f0c1d2e-1 in progress", updatesFor, again},
		// Something still uses what shall go.
		{remove, "GeneralServiceException", "The vpc 'vpc-1' has dependencies and cannot be deleted. (Error Code: DependencyViolation)", dependentsFor, owner},
		{remove, "InvalidRequest", "resource sg-1 has a dependent object", dependentsFor, owner},
		{remove, "GeneralServiceException", "Network vpc-1 has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", dependentsFor, owner},
		{remove, "NotStabilized", "Exceeded attempts to wait", dependentsFor, owner},
		{remove, "ResourceConflict", "Cluster has nodegroups attached", dependentsFor, owner},
		{remove, "GeneralServiceException", "Cannot delete entity, must remove roles from instance profile first. (Error Code: DeleteConflict)", dependentsFor, owner},
		{remove, "GeneralServiceException", "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group. (Error Code: ScalingActivityInProgress)", dependentsFor, owner},
		{remove, "GeneralServiceException", "Target group 'arn:aws:elasticloadbalancing:1' is currently in use by a listener or a rule", dependentsFor, owner},
		// Nobody tells what came of it.
		{change, "NotStabilized", "reached unexpected status UPDATING", settlingFor, again},
		{change, "RequestTokenNotFound", "", settlingFor, again},
		{make, "NotStabilized", "NodeCreationFailure: Instances failed to join the kubernetes cluster", 0, "see that the subnets lead to the API server"},
		// No patience changes any of these.
		{make, "AccessDenied", "User: arn:aws:iam::1:user/x is not authorized to perform: eks:CreateCluster", 0, "allow the action"},
		{make, "AccessDenied", "User: arn:aws:iam::1:user/x is not authorized to perform: ec2:RunInstances with an explicit deny in a service control policy", 0, "ask who administers the organization"},
		{make, "AccessDenied", "… because no permissions boundary allows the iam:CreateRole action", 0, "ask who administers the account"},
		{change, "ExpiredToken", "The security token included in the request is expired", 0, "renew the AWS credentials"},
		{make, "ServiceLimitExceeded", "The maximum number of VPCs has been reached.", 0, quota},
		{make, "GeneralServiceException", "The maximum number of addresses has been reached. (Error Code: AddressLimitExceeded)", 0, quota},
		{make, "NotStabilized", "You have requested more vCPU capacity than your current vCPU limit of 32 allows (VcpuLimitExceeded)", 0, quota},
		{make, "InvalidRequest", "Cannot create cluster 'shop' because us-east-1e, the targeted availability zone, does not currently have sufficient capacity to support the cluster.", 0, "name other instance types"},
		{make, "NotStabilized", "We currently do not have sufficient m7i.large capacity in the Availability Zone you requested (InsufficientInstanceCapacity)", 0, "name other instance types"},
		{make, "NotStabilized", "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state", 0, "enable the key"},
		{make, "GeneralServiceException", "Your request for accessing resources in this region is being validated (Error Code: PendingVerification)", 0, "in a few hours"},
		{make, "AlreadyExists", "NodeGroup already exists with name web and cluster name shop", 0, "delete it, or give the resource another name"},
		{make, "InvalidRequest", "You can't create this secret because a secret with this name is already scheduled for deletion.", 0, "give it another name"},
		{change, "NotUpdatable", "Invalid patch update: createOnlyProperties [/properties/KubernetesNetworkConfig/IpFamily] cannot be updated", 0, "this change needs a new object"},
		{change, "InvalidRequest", "Unsupported Kubernetes minor version update from 1.34 to 1.36", 0, "correct what is named"},
		{make, "UnsupportedAction", "Resource type AWS::X::Y does not support CREATE action", 0, "take it out of the stack"},
	} {
		f := &failure{code: c.code, message: c.message, handler: true}
		patience := map[string]func() time.Duration{make: f.patienceToMake, change: f.patienceToChange, remove: f.patienceToRemove}[c.call]()
		if patience != c.patience {
			t.Errorf("%s: %s: %s: tried again for %s, want %s", c.call, c.code, c.message, patience, c.patience)
		}
		var told *problem.Error
		if err := explain(c.call, f); !errors.As(err, &told) || !strings.Contains(told.Fix, c.fix) {
			t.Errorf("%s: %s: %s: told %q, want %q", c.call, c.code, c.message, told.Fix, c.fix)
		}
	}
	if err := error(&failure{code: "InvalidRequest", message: "No cluster found for name: shop.", handler: true}); !isNotFound(err) {
		t.Errorf("%v: taken for something that is there", err)
	}
}
