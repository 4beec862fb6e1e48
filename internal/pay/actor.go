package pay

// Actor is who caused a change of a payment, a refund or an orphan: who acted, or
// whose callback, request or inquiry brought the change to light.
type Actor struct {
	Role Role
	Name string // RoleMerchant: the app code; RoleOperator: which operator; "" for the others
}

// Role is the part that an actor plays.
type Role string

// The roles. The values are stored and shown, never translated.
const (
	RoleMerchant Role = "merchant" // a request of the merchant, or what followed from it
	RoleBuyer    Role = "buyer"    // the buyer's browser
	RoleWallet   Role = "wallet"   // a callback of the wallet
	RoleRecover  Role = "recover"  // an inquiry that was due
	RoleOperator Role = "operator" // a person who runs the deployment
	RolePolicy   Role = "policy"   // a rule of the deployment: late money is refunded
)

// The actors that have no name of their own.
var (
	ByBuyer   = Actor{Role: RoleBuyer}
	ByWallet  = Actor{Role: RoleWallet}
	ByRecover = Actor{Role: RoleRecover}
	ByPolicy  = Actor{Role: RolePolicy}
)

// ByMerchant returns the actor for requests of an app code.
func ByMerchant(appCode string) Actor { return Actor{Role: RoleMerchant, Name: appCode} }

// ByOperator returns the actor for one of the deployment's operators.
func ByOperator(name string) Actor { return Actor{Role: RoleOperator, Name: name} }

// Known reports whether r is one of the roles above.
func (r Role) Known() bool {
	switch r {
	case RoleMerchant, RoleBuyer, RoleWallet, RoleRecover, RoleOperator, RolePolicy:
		return true
	}
	return false
}

// String returns the role, and for an operator also the name: "operator cli:root".
// A merchant's app code is left out, since it is shown with the payment.
func (a Actor) String() string {
	if a.Role == RoleOperator && a.Name != "" {
		return string(a.Role) + " " + a.Name
	}
	return string(a.Role)
}
