package operator

import (
	"slices"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
)

func TestPaymentsFindsAnyNumber(t *testing.T) {
	each(t, func(t *testing.T, d *Deployment, c pay.Credential) {
		m, agent, err := d.By(alice).AddMerchant(t.Context(), NewMerchant{
			ID: "100002", Name: "Agent", HasStores: true, PerSecond: 1, PerMinute: 1,
		})
		check(t, err)
		_, err = d.By(alice).AddStore(t.Context(), pay.Store{AppCode: agent.AppCode, ID: "M1", Name: "North"})
		check(t, err)
		p, r := paid(t, d, pay.Scope{MerchantID: "100001", AppCode: c.AppCode}, 1, "TEA-1")
		same, _ := paid(t, d, pay.Scope{MerchantID: m.ID, AppCode: agent.AppCode, StoreID: "M1"}, 1, "TEA-1")
		digits, _ := paid(t, d, pay.Scope{MerchantID: "100001", AppCode: c.AppCode}, 3,
			"20260102100001000000009999")

		for _, tt := range []struct {
			name, number, merchant string
			want                   []string
		}{
			{"syssn", p.ID, "", []string{p.ID}},
			{"syssn of a refund", r.ID, "", []string{p.ID}},
			{"number of two merchants", "TEA-1", "", []string{p.ID, same.ID}},
			{"number of one merchant", "TEA-1", "100002", []string{same.ID}},
			{"number of a refund", "TEA-1-BACK", "100001", []string{p.ID}},
			{"number that looks like a syssn", digits.OrderNo, "", []string{digits.ID}},
			{"unknown number", "TEA-2", "", nil},
			{"unknown syssn", "20260102100001000000000009", "", nil},
			{"unknown merchant", "TEA-1", "999999", nil},
		} {
			found, err := d.Payments(t.Context(), tt.number, tt.merchant)
			check(t, err)
			var got []string
			for _, p := range found {
				got = append(got, p.ID)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
			}
		}

		h, err := d.History(t.Context(), p)
		check(t, err)
		if len(h.Refunds) != 1 || h.Refunds[0].ID != r.ID || h.ID != p.ID {
			t.Errorf("history: %+v", h)
		}
	})
}
