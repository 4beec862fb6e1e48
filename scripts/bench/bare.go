package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/sampanpay/sampan/internal/sign"
)

const (
	bareAppCode = "8A1B2C3D4E5F60718293A4B5C6D7E8F9"
	bareKey     = "0F1E2D3C4B5A69788796A5B4C3D2E1F0"
)

// serveBare serves the bare handler, with which the gateway is compared. It reads a request's form,
// verifies its signature, and answers JSON of the same size as the gateway's, with net/http's
// defaults. It stores nothing.
//
// With the address of a wallet it processes an order to the end, see bareWay.
func serveBare(l net.Listener, wallet string) error {
	mux := http.NewServeMux()
	way := &bareWay{wallet: wallet, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	way.register(mux)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("POST /trade/v1/payment", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p := sign.Params{}
		for name, values := range r.PostForm {
			p[name] = values[0]
		}
		algorithm, err := sign.ParseAlgorithm(r.Header.Get("X-QF-SIGNTYPE"))
		if err != nil || r.Header.Get("X-QF-APPCODE") != bareAppCode ||
			!sign.VerifyRequest(p, bareKey, algorithm, r.Header.Get("X-QF-SIGN")) {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		if wallet != "" {
			way.orders.Store(p["out_trade_no"], p["notify_url"])
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		json.NewEncoder(w).Encode(struct {
			SysDtm     string `json:"sysdtm"`
			PayDtm     string `json:"paydtm"`
			TxCurrCd   string `json:"txcurrcd"`
			RespMsg    string `json:"respmsg"`
			PayType    string `json:"pay_type"`
			CardCd     string `json:"cardcd"`
			TxDtm      string `json:"txdtm"`
			TxAmt      string `json:"txamt"`
			RespErr    string `json:"resperr"`
			OutTradeNo string `json:"out_trade_no"`
			SysSn      string `json:"syssn"`
			RespCd     string `json:"respcd"`
			PayURL     string `json:"pay_url"`
			ChnlSn     string `json:"chnlsn"`
		}{
			"2026-11-22 12:00:00", "2026-11-22 12:00:00", p["txcurrcd"],
			"", p["pay_type"], "", p["txdtm"], p["txamt"],
			"",
			p["out_trade_no"], p["out_trade_no"], "0000",
			"http://" + r.Host + "/pay/" + p["out_trade_no"], "",
		})
	})
	return http.Serve(l, mux)
}

// startBare runs the bare handler in a process of its own. wallet may be "".
func startBare(ctx context.Context, r run, wallet string) (*server, string, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	s, err := startServer(ctx, "http://"+address+"/readyz",
		filepath.Join(r.dir, "bare.log"), self, "-bare", address,
		"-wallet", wallet)
	return s, "http://" + address, err
}
