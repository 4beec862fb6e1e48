// Runs Alipay's official Node SDK, unchanged, against the wallet simulator of a running sandbox:
// node check.mjs SANDBOX.JSON. It makes every call with each of the sandbox's applications: in key
// mode, in certificate mode, and with buyers identified by an open_id. The SDK verifies the signature
// of every answer and of a notification. The program ends with status 1 at the first failure.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { AlipaySdk } from 'alipay-sdk';

const sandbox = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const common = { privateKey: sandbox.openapi_app_private_key, keyType: 'PKCS8', gateway: sandbox.openapi, camelcase: false };
const keyMode = { ...common, alipayPublicKey: sandbox.openapi_alipay_public_key };
const certificateMode = {
  ...common, appId: sandbox.openapi_cert_app_id, appCertPath: sandbox.openapi_app_cert,
  alipayPublicCertPath: sandbox.openapi_alipay_cert, alipayRootCertPath: sandbox.openapi_root_cert,
};
const validateSign = { validateSign: true };

// The server that receives the notifications.
const notifications = [];
let told = () => {};
const shop = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => { body += chunk; });
  request.on('end', () => {
    notifications.push(Object.fromEntries(new URLSearchParams(body)));
    response.end('success');
    told();
  });
});
await new Promise((ready) => shop.listen(0, '127.0.0.1', ready));
const notify_url = `http://127.0.0.1:${shop.address().port}/notify`;
const notification = async (wanted) => {
  for (;;) {
    const found = notifications.find(wanted);
    if (found) return found;
    await new Promise((next) => { told = next; });
  }
};

// authorize plays the buyer mei at the authorisation page and returns the code of the redirect.
const authorize = async (app_id) => {
  const page = new URL(sandbox.wallet + '/oauth2/grant');
  page.search = new URLSearchParams({ app_id, scope: 'auth_base', redirect_uri: notify_url, state: 'x y', buyer: 'mei' });
  const back = await fetch(page, { redirect: 'manual' });
  const to = new URL(back.headers.get('location'));
  assert.equal(to.searchParams.get('state'), 'x y');
  assert.equal(to.searchParams.get('app_id'), app_id);
  return to.searchParams.get('auth_code');
};

const around = async (sdk, name, { idField, id, buyerField }) => {
  const done = (what) => console.log('ok', `${name}: ${what}`);
  const exec = (method, bizContent, more = {}) => sdk.exec(method, { ...more, bizContent }, validateSign);
  const [one, two, none] = [`${name}_1`, `${name}_2`, `${name}_9`];

  const code = await authorize(sdk.config.appId);
  const token = await sdk.exec('alipay.system.oauth.token', { grant_type: 'authorization_code', code }, validateSign);
  assert.match(token[idField], id);
  const again = await sdk.exec('alipay.system.oauth.token', { grant_type: 'authorization_code', code }); // an error_response, which the SDK cannot verify
  assert.equal(again.sub_code, 'isv.code-invalid');
  const fresh = await sdk.exec('alipay.system.oauth.token', { grant_type: 'refresh_token', refresh_token: token.refresh_token }, validateSign);
  assert.equal(fresh[idField], token[idField]);
  assert.ok(fresh.access_token && fresh.access_token !== token.access_token);
  done('authorisation token, once for a code, and refreshed');

  const create = (out_trade_no, change = {}) => exec('alipay.trade.create', {
    out_trade_no, total_amount: '12.30', subject: '凍頂烏龍 <茶> "1+1"', [buyerField]: token[idField], ...change,
  }, { notify_url });
  const made = await create(one);
  assert.equal(made.code, '10000');
  assert.equal((await create(one)).trade_no, made.trade_no);
  assert.equal((await create(one, { total_amount: '12.31' })).sub_code, 'ACQ.CONTEXT_INCONSISTENT');
  for (const bad of [{ total_amount: '12.345' }, { total_amount: undefined }, { subject: '' }, { [buyerField]: '1' }, { timeout_express: '1' }]) {
    const no = await create(two, bad);
    assert.deepEqual([no.code, no.sub_code], ['40004', 'ACQ.INVALID_PARAMETER'], JSON.stringify(bad));
  }
  done('create');

  const query = (out_trade_no) => exec('alipay.trade.query', { out_trade_no });
  assert.equal((await query(one)).trade_status, 'WAIT_BUYER_PAY');
  assert.equal((await query(none)).sub_code, 'ACQ.TRADE_NOT_EXIST');
  const paid = await fetch(`${sandbox.control}/trades/${one}/pay`, { method: 'POST' });
  assert.equal(paid.status, 200);
  const now = await exec('alipay.trade.query', { trade_no: made.trade_no, query_options: ['fund_bill_list'] });
  assert.equal(now.trade_status, 'TRADE_SUCCESS');
  assert.equal(now.total_amount, '12.30');
  done('query');

  const success = await notification((n) => n.out_trade_no === one && n.trade_status === 'TRADE_SUCCESS');
  assert.equal(success.trade_no, made.trade_no);
  assert.equal(success.app_id, sdk.config.appId);
  assert.equal(success[buyerField], token[idField]);
  assert.ok(sdk.checkNotifySign(success), 'the notification verifies');
  assert.ok(sdk.checkNotifySignV2(success), 'the notification verifies in the other way');
  assert.ok(!sdk.checkNotifySign({ ...success, total_amount: '1.00' }), 'an altered one does not');
  done('notification');

  const refund = (out_request_no, refund_amount) => exec('alipay.trade.refund', { out_trade_no: one, out_request_no, refund_amount });
  const part = await refund('R1', '2.30');
  assert.equal(part.fund_change, 'Y');
  assert.equal(part.refund_fee, '2.30');
  assert.equal((await refund('R1', '2.30')).fund_change, 'N');
  assert.equal((await refund('R1', '1.00')).sub_code, 'ACQ.DISCORDANT_REPEAT_REQUEST');
  assert.equal((await refund('R2', '10.01')).sub_code, 'ACQ.REFUND_AMT_NOT_EQUAL_TOTAL');
  assert.equal((await refund('R2', '10.00')).refund_fee, '12.30');
  assert.equal((await query(one)).trade_status, 'TRADE_CLOSED');
  const back = await notification((n) => n.out_trade_no === one && n.out_biz_no === 'R2');
  assert.ok(sdk.checkNotifySign(back));
  assert.equal(back.refund_fee, '12.30');
  done('refund, and its notification');

  const refundQuery = (out_request_no) => exec('alipay.trade.fastpay.refund.query', { out_trade_no: one, out_request_no });
  const known = await refundQuery('R1');
  assert.equal(known.refund_status, 'REFUND_SUCCESS');
  assert.equal(known.refund_amount, '2.30');
  assert.equal((await refundQuery('R9')).refund_status, undefined);
  done('refund query');

  await create(two);
  const close = (out_trade_no) => exec('alipay.trade.close', { out_trade_no });
  assert.equal((await close(two)).code, '10000');
  assert.equal((await query(two)).trade_status, 'TRADE_CLOSED');
  assert.equal((await close(two)).sub_code, 'ACQ.TRADE_STATUS_ERROR');
  done('close');
};

const userID = { idField: 'user_id', id: /^2088\d{12}$/, buyerField: 'buyer_id' };
const openID = { idField: 'open_id', id: /^(?!2088)\w{16,128}$/, buyerField: 'buyer_open_id' };
await around(new AlipaySdk({ ...keyMode, appId: sandbox.openapi_app_id }), 'KEY', userID);
await around(new AlipaySdk({ ...keyMode, appId: sandbox.openapi_open_id_app_id }), 'OPENID', openID);
const certified = new AlipaySdk({ ...certificateMode });
await around(certified, 'CERT', userID);

const download = await certified.exec('alipay.open.app.alipaycert.download', { bizContent: { alipay_cert_sn: certified.config.alipayCertSn } });
assert.equal(Buffer.from(download.alipay_cert_content, 'base64').toString(), readFileSync(sandbox.openapi_alipay_cert, 'utf8'));
const query = (sdk) => sdk.exec('alipay.trade.query', { bizContent: { out_trade_no: 'KEY_1' } });
assert.equal((await query(new AlipaySdk({ ...certificateMode, appCertPath: sandbox.openapi_alipay_cert }))).sub_code, 'isv.invalid-app-cert-sn');
assert.equal((await query(new AlipaySdk({ ...certificateMode, alipayRootCertPath: sandbox.openapi_alipay_cert }))).sub_code, 'isv.invalid-alipay-root-cert-sn');
console.log('ok', 'certificates by their numbers, and the wrong ones refused');

assert.equal((await query(new AlipaySdk({ ...keyMode, appId: '2021000000000009' }))).sub_code, 'isv.invalid-app-id');
console.log('ok', 'a stranger is refused');

shop.close();
shop.closeAllConnections();
