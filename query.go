package sampan

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/sign"
)

// QueryRequest says which transactions to look up. Every field may be empty:
// the zero value asks for the current month.
type QueryRequest struct {
	IDs      []string // syssn
	OrderNos []string // out_trade_no
	PayTypes []PayType
	Code     Code      // only those in this state
	From, To time.Time // when they were created, ignored with IDs or OrderNos; at most 92 days, both or neither
	Page     int       // from 1
	PageSize int       // at most 100; the gateway's 10 if 0
	StoreID  string    // the client's if empty
}

// QueryResult is one page of transactions.
type QueryResult struct {
	Page         int
	PageSize     int
	Transactions []Transaction
}

// Query looks transactions up. For an order whose outcome is open, the gateway
// asks the wallet too, at most once in three seconds. Numbers that are unknown
// are missing from the result; they are not an error.
func (c *Client) Query(ctx context.Context, r QueryRequest) (*QueryResult, error) {
	p := sign.Params{}
	set(p, "syssn", strings.Join(r.IDs, ","))
	set(p, "out_trade_no", strings.Join(r.OrderNos, ","))
	types := make([]string, len(r.PayTypes))
	for i, t := range r.PayTypes {
		types[i] = string(t)
	}
	set(p, "pay_type", strings.Join(types, ","))
	set(p, "respcd", string(r.Code))
	set(p, "mchid", c.store(r.StoreID))
	// In UTC+8 whatever Zone is: that is what the API takes without txzone.
	if !r.From.IsZero() {
		p["start_time"] = r.From.In(hongKong).Format(clockTime)
	}
	if !r.To.IsZero() {
		p["end_time"] = r.To.In(hongKong).Format(clockTime)
	}
	if r.Page != 0 {
		p["page"] = strconv.Itoa(r.Page)
	}
	if r.PageSize != 0 {
		p["page_size"] = strconv.Itoa(r.PageSize)
	}
	a, err := c.call(ctx, "/trade/v1/query", p)
	if err != nil {
		return nil, err
	}
	result := &QueryResult{Page: int(a.minor("page")), PageSize: int(a.minor("page_size"))}
	var rows []map[string]json.RawMessage
	if err := json.Unmarshal(a.fields["data"], &rows); err != nil {
		return nil, fmt.Errorf("sampan: data of the query's answer: %w", err)
	}
	for _, row := range rows {
		b := &answer{fields: row, zone: a.zone}
		t := b.transaction()
		t.Refund, t.OriginalID = b.text("order_type") == "refund", b.text("origssn")
		if b.err != nil {
			return nil, b.err
		}
		result.Transactions = append(result.Transactions, t)
	}
	if a.err != nil {
		return nil, a.err
	}
	return result, nil
}
