/** A delivery as a service sends it: header names are in lower case, and the body has the bytes that are signed. */
export interface RecordedDelivery {
  secret: string
  headers: Record<string, string>
  text: string
  /** When it was signed, in seconds since 1970. */
  seconds: number
}

/**
 * One delivery of each service. The signatures of GitHub and Stripe were made by @octokit/webhooks-methods 6.0.0 and stripe 23.2.0;
 * those of Slack and Linear were accepted by @slack/bolt 5.1.0 and @linear/sdk 98.0.0.
 */
export const recordedDeliveries: Record<'github' | 'stripe' | 'slack' | 'linear', RecordedDelivery> = {
  github: {
    secret: 'github-recorded-signing-key',
    headers: {
      'user-agent': 'GitHub-Hookshot/044aadd',
      'content-type': 'application/json',
      'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      'x-github-event': 'push',
      'x-github-hook-id': '292430182',
      'x-github-hook-installation-target-type': 'repository',
      'x-hub-signature': 'sha1=bf7d4422ef6c6364912eee3a386f36d802388dde',
      'x-hub-signature-256': 'sha256=bdf8bc54949600ea5fe366c4380117ce37b9d4a8e0dbaf93adab6fc5ef4b3ad0',
    },
    text: '{"ref":"refs/heads/main","before":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","after":"c0ffee28f27ae82c7b1a177c8d03f9e96e0adf24","repository":{"id":186853002,"full_name":"acme/site","private":false,"default_branch":"main"},"pusher":{"name":"ada","email":"ada@acme.example"},"created":false,"deleted":false,"forced":false,"compare":"https://github.com/acme/site/compare/6113728f27ae...c0ffee28f27a","head_commit":{"id":"c0ffee28f27ae82c7b1a177c8d03f9e96e0adf24","message":"Zoë’s page","timestamp":"2026-08-03T11:59:58+02:00","author":{"name":"Ada","email":"ada@acme.example"}},"installation":{"id":2311213}}',
    seconds: 1785751200,
  },
  stripe: {
    secret: 'whsec_stripe_recorded_signing_key',
    headers: {
      'user-agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
      'content-type': 'application/json; charset=utf-8',
      'stripe-signature':
        't=1785751200,v1=7addf7834630812847a1b6871acf04f549fcaf19965af30fb03190f13509d6b7,v0=897b6b7cfe88e12f4adb4c730984cb82b347e3af882a166454f5a58273058a5d',
    },
    text: '{\n  "id": "evt_1RrecordedInvoicePaid",\n  "object": "event",\n  "api_version": "2025-06-30.basil",\n  "created": 1785751198,\n  "data": {\n    "object": {\n      "id": "in_1Rrecorded",\n      "object": "invoice",\n      "amount_due": 2900,\n      "amount_paid": 2900,\n      "currency": "eur",\n      "customer": "cus_Recorded",\n      "customer_email": "ada@acme.example",\n      "number": "A1B2C3D4-0001",\n      "status": "paid"\n    }\n  },\n  "livemode": false,\n  "pending_webhooks": 1,\n  "request": {\n    "id": "req_recorded",\n    "idempotency_key": "5f2c1a9e-7d0b-4c0e-9a5a-0a6f6d1f4b11"\n  },\n  "type": "invoice.paid"\n}',
    seconds: 1785751200,
  },
  slack: {
    secret: '8f742231b10e8888abcd99yyyzzz85a5',
    headers: {
      'user-agent': 'Slackbot 1.0 (+https://api.slack.com/robots)',
      'content-type': 'application/json',
      'x-slack-request-timestamp': '1785751200',
      'x-slack-signature': 'v0=e2cccbe8ccd303cdf41ed798c76f4911ae6ff7cbc6ca96ec976ac868cbec2968',
    },
    text: '{"token":"XXYYZZ","team_id":"T0ACME","context_team_id":"T0ACME","api_app_id":"A0ACME","event":{"type":"app_mention","user":"U0ADA","text":"<@U0BOT> deploy the site","ts":"1785751199.000200","channel":"C0OPS","event_ts":"1785751199.000200"},"type":"event_callback","event_id":"Ev0RECORDED","event_time":1785751199,"authorizations":[{"enterprise_id":null,"team_id":"T0ACME","user_id":"U0BOT","is_bot":true,"is_enterprise_install":false}],"is_ext_shared_channel":false}',
    seconds: 1785751200,
  },
  linear: {
    secret: 'lin_wh_recorded_signing_key',
    headers: {
      'user-agent': 'Linear-Webhook',
      'content-type': 'application/json; charset=utf-8',
      'linear-delivery': '234d1a4e-b617-4388-90fe-adc3633d6b72',
      'linear-event': 'Issue',
      'linear-signature': 'f67934a8e17eed172caac3a9912b6d7b4cce8cc982483f56fe8cfa1a05d7e531',
      'linear-timestamp': '1785751200000',
    },
    text: '{"action":"create","actor":{"id":"b5ea5f1f-8adc-4f52-b4bd-ab4e84cf51ba","type":"user","name":"Ada","email":"ada@acme.example"},"createdAt":"2026-08-03T09:59:59.120Z","data":{"id":"539068e2-ae88-4d09-bd75-22eb4a59612f","createdAt":"2026-08-03T09:59:59.120Z","number":42,"title":"The page is slow","priority":2,"teamId":"72b2a2dc-6f4f-4423-9d34-24b5bd10634a","identifier":"WEB-42"},"type":"Issue","organizationId":"dc6b0d3f-7f7a-4e3e-9a0c-1f2f1c5f8f12","url":"https://linear.app/acme/issue/WEB-42","webhookTimestamp":1785751200000,"webhookId":"000042e3-d123-4980-b49f-8e140eef9329"}',
    seconds: 1785751200,
  },
}
