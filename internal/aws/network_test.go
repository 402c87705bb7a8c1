package aws

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/problem"
)

// someNet is a VPC as EC2 tells of it.
type someNet struct {
	vpcs     []string
	subnets  []string // id zone free tags…
	dns      string   // true or false
	gateways map[string]string
}

func (n someNet) cloud() *Cloud {
	api := &queryAPI{answer: map[string]func(url.Values) string{
		"DescribeVpcs": func(url.Values) string {
			text := "=<vpcSet>"
			for _, id := range n.vpcs {
				text += "<item><vpcId>" + id + "</vpcId><cidrBlock>10.0.0.0/16</cidrBlock></item>"
			}
			return text + "</vpcSet>"
		},
		"DescribeSubnets": func(url.Values) string {
			text := "=<subnetSet>"
			for _, line := range n.subnets {
				f := strings.Fields(line)
				text += fmt.Sprintf("<item><subnetId>%s</subnetId><availabilityZone>us-west-2%s</availabilityZone><availableIpAddressCount>%s</availableIpAddressCount><tagSet>", f[0], f[1], f[2])
				for _, tag := range f[3:] {
					key, value, _ := strings.Cut(tag, "=")
					text += "<item><key>" + key + "</key><value>" + value + "</value></item>"
				}
				text += "</tagSet></item>"
			}
			return text + "</subnetSet>"
		},
		"DescribeRouteTables": func(url.Values) string {
			text := "=<routeTableSet>"
			for subnet, gateway := range n.gateways {
				text += fmt.Sprintf("<item><associationSet><item><subnetId>%s</subnetId></item></associationSet><routeSet><item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock><gatewayId>%s</gatewayId></item></routeSet></item>", subnet, gateway)
			}
			return text + "</routeTableSet>"
		},
		"DescribeVpcAttribute": func(f url.Values) string {
			name := f.Get("Attribute")
			return fmt.Sprintf("=<%[1]s><value>%[2]s</value></%[1]s>", name, n.dns)
		},
	}}
	return api.cloud()
}

// What EKS would refuse is refused before anything is made.
func TestNetworksThatEKSRefuses(t *testing.T) {
	two := []string{"subnet-a a 100", "subnet-b b 100"}
	for name, c := range map[string]struct {
		net  someNet
		want Chosen
		says string
	}{
		"no VPC":        {someNet{}, Chosen{IDs: []string{"subnet-a"}}, "has no such VPC"},
		"two VPCs":      {someNet{vpcs: []string{"vpc-1", "vpc-2"}}, Chosen{IDs: []string{"subnet-a"}}, "2 VPCs have these tags: vpc-1, vpc-2"},
		"no subnet":     {someNet{vpcs: []string{"vpc-1"}, subnets: two}, Chosen{IDs: []string{"subnet-a", "subnet-x"}}, "vpc-1 has no subnet subnet-x"},
		"no tags":       {someNet{vpcs: []string{"vpc-1"}, subnets: two}, Chosen{Tags: map[string]string{"tier": "x"}}, "no subnet of vpc-1 has these tags"},
		"one zone":      {someNet{vpcs: []string{"vpc-1"}, subnets: two}, Chosen{IDs: []string{"subnet-a"}}, "EKS wants two at least"},
		"five free":     {someNet{vpcs: []string{"vpc-1"}, subnets: []string{"subnet-a a 5", "subnet-b b 9"}}, Chosen{IDs: []string{"subnet-a", "subnet-b"}}, "5 free addresses; EKS wants 6"},
		"no DNS in VPC": {someNet{vpcs: []string{"vpc-1"}, subnets: two, dns: "false"}, Chosen{IDs: []string{"subnet-a", "subnet-b"}}, "has enableDnsHostnames off"},
	} {
		_, err := c.net.cloud().Network(t.Context(), Chosen{IDs: []string{"vpc-1"}}, Chosen{}, c.want)
		var p *problem.Error
		if !errors.As(err, &p) || p.Fix == "" || !strings.Contains(p.Err.Error(), c.says) {
			t.Errorf("%s: have %v, want %s", name, err, c.says)
		}
	}
}

// What a cluster in the network would lack is told, and only that.
func TestWhatANetworkLacks(t *testing.T) {
	net := someNet{vpcs: []string{"vpc-1"}, dns: "true", subnets: []string{
		"subnet-b b 100 tier=nodes kubernetes.io/role/internal-elb=1", "subnet-a a 12 tier=nodes", "subnet-p a 100 tier=public kubernetes.io/role/elb=1", "subnet-q b 100 tier=public"},
		gateways: map[string]string{"subnet-a": "vgw-1", "subnet-p": "igw-1"}}
	tagged := func(tier string) Chosen { return Chosen{Tags: map[string]string{"tier": tier}} }
	n, err := net.cloud().Network(t.Context(), Chosen{IDs: []string{"vpc-1"}}, tagged("public"), tagged("nodes"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(n.Private, []string{"subnet-a", "subnet-b"}) || !slices.Equal(n.Public, []string{"subnet-p", "subnet-q"}) || n.CIDR != "10.0.0.0/16" {
		t.Errorf("%+v", n)
	}
	var told []string
	for _, f := range n.Findings {
		told = append(told, f.Object+" "+f.Effect)
	}
	for _, want := range []string{"subnet subnet-a has 12 free addresses", "subnet subnet-a has no tag kubernetes.io/role/internal-elb",
		"subnet subnet-b has no way out", "subnet subnet-q is named as public and leads to no internet gateway", "subnet subnet-q has no tag kubernetes.io/role/elb"} {
		if !slices.ContainsFunc(told, func(text string) bool { return strings.HasPrefix(text, want) }) {
			t.Errorf("not told: %s", want)
		}
	}
	if len(told) != 5 {
		t.Errorf("told %q", told)
	}
}
