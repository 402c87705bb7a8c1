package ec2

import (
	"testing"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// What a request lacks is told as requests call it, in one word.
func TestMissingIDIsNamedAsAParameter(t *testing.T) {
	for want, kind := range map[string]idKind{"vpcId": vpcIDs, "launchTemplateId": templateIDs, "securityGroupId": groupIDs, "securityGroupRuleId": ruleIDs} {
		_, err := found(map[string]*region.VPC{}, kind, "")
		if err == nil || err.Error() != "MissingParameter: The request must contain the parameter "+want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
