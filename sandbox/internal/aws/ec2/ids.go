package ec2

import (
	"regexp"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// idKind is how EC2 speaks of the identifiers of one kind of objects. Its codes
// follow no rule, so each is written down.
type idKind struct {
	prefix    string // vpc-
	noun      string
	malformed string
	missing   string
}

var (
	vpcIDs       = idKind{"vpc-", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"}
	subnetIDs    = idKind{"subnet-", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"}
	gatewayIDs   = idKind{"igw-", "internetGateway", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound"}
	natIDs       = idKind{"nat-", "natGateway", "NatGatewayMalformed", "NatGatewayNotFound"}
	tableIDs     = idKind{"rtb-", "routeTable", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound"}
	assocIDs     = idKind{"rtbassoc-", "association", "InvalidAssociationID.Malformed", "InvalidAssociationID.NotFound"}
	groupIDs     = idKind{"sg-", "security group", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"}
	ruleIDs      = idKind{"sgr-", "security group rule", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound"}
	allocIDs     = idKind{"eipalloc-", "allocation", "InvalidAllocationID.Malformed", "InvalidAllocationID.NotFound"}
	interfaceIDs = idKind{"eni-", "networkInterface", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"}
	instanceIDs  = idKind{"i-", "instance", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"}
	volumeIDs    = idKind{"vol-", "volume", "InvalidParameterValue", "InvalidVolume.NotFound"}
	imageIDs     = idKind{"ami-", "image", "InvalidAMIID.Malformed", "InvalidAMIID.NotFound"}
	templateIDs  = idKind{"lt-", "launch template", "InvalidLaunchTemplateId.Malformed", "InvalidLaunchTemplateId.NotFound"}
)

// digits follow the prefix: 17 today, 8 in the ones of old.
var digits = regexp.MustCompile(`^([0-9a-f]{8}|[0-9a-f]{17})$`)

// unknown is the answer to an ID that names nothing.
func (k idKind) unknown(id string) error {
	if rest, ok := strings.CutPrefix(id, k.prefix); !ok || !digits.MatchString(rest) {
		return region.Errorf(region.Invalid, k.malformed, "Invalid id: \"%s\" (expecting \"%s...\")", id, k.prefix)
	}
	return region.Errorf(region.NotFound, k.missing, "The %s ID '%s' does not exist", k.noun, id)
}

// parameter names one of these IDs as requests do: launchTemplateId.
func (k idKind) parameter() string {
	words := strings.Fields(k.noun)
	for i := range words[1:] {
		words[i+1] = strings.ToUpper(words[i+1][:1]) + words[i+1][1:]
	}
	return strings.Join(words, "") + "Id"
}

// found looks an object up by its ID.
func found[T any](m map[string]*T, kind idKind, id string) (*T, error) {
	if id == "" {
		return nil, region.Errorf(region.Invalid, "MissingParameter", "The request must contain the parameter %s", kind.parameter())
	}
	if o, ok := m[id]; ok {
		return o, nil
	}
	return nil, kind.unknown(id)
}
