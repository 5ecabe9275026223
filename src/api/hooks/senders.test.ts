import { describe, expect, it } from 'vitest'
import { type RecordedDelivery, recordedDeliveries } from '../../../test/integration/hooks/recorded.ts'
import { plainScheme, type SignatureScheme, signatureProblem, signatureSchemes, signedTimeProblem } from './senders.ts'

/** From the documentation of each service; that of Stripe and Linear has no example, so theirs are recorded. */
const documented: Record<keyof typeof signatureSchemes, RecordedDelivery> = {
  github: {
    secret: "It's a Secret to Everybody",
    headers: { 'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17' },
    text: 'Hello, World!',
    seconds: 0,
  },
  slack: {
    secret: '8f742231b10e8888abcd99yyyzzz85a5',
    headers: {
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
      'x-slack-request-timestamp': '1531420618',
    },
    text: 'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
    seconds: 1_531_420_618,
  },
  'standard-webhooks': {
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    headers: {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1a,unknown v1,wrong= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    },
    text: '{"test": 2432232314}',
    seconds: 1_614_265_330,
  },
  stripe: recordedDeliveries.stripe,
  linear: recordedDeliveries.linear,
}

type Name = keyof typeof documented

const problemOf = (scheme: SignatureScheme, { secret, headers, text, seconds }: RecordedDelivery) => {
  const webhook = { headers, body: Buffer.from(text) }
  const payload = text.startsWith('{') ? JSON.parse(text.replace(/[^}]*$/, '')) : text
  return signatureProblem(scheme, [secret], webhook) ?? signedTimeProblem(scheme, webhook, payload, seconds * 1000)
}

describe.each(Object.entries(documented) as [Name, RecordedDelivery][])(
  '%s',
  (name, { secret, headers, text, seconds }) => {
    const scheme = signatureSchemes[name]
    const problem = (more: Partial<RecordedDelivery> = {}) =>
      problemOf(scheme, { secret, headers, text, seconds, ...more })
    const tolerance = scheme.toleranceSeconds ?? 300

    it('takes the signature of its service', () => {
      expect(problem()).toBeUndefined()
      expect(problem({ seconds: seconds + tolerance - 1 })).toBeUndefined()
    })

    it('refuses another body, another secret, and no signature', () => {
      expect(problem({ text: `${text} ` })).toMatch(/does not fit the body/)
      expect(problem({ secret: 'whsec_AAAA' })).toMatch(/does not fit the body/)
      expect(problem({ headers: {} })).toMatch(/has no signature/)
      const blank = Object.fromEntries(Object.keys(headers).map((header) => [header, '']))
      expect(problem({ headers: blank })).toMatch(/has no signature/)
    })

    it('refuses what was signed long ago, unless its service signs no time', () => {
      for (const off of [tolerance + 1, -tolerance - 1]) {
        const late = problem({ seconds: seconds + off }) ?? 'none'
        expect(late).toMatch(name === 'github' ? /^none$/ : /signed more than (5 minutes|a minute)/)
      }
    })
  },
)

it('takes the signature of each of several secrets', () => {
  const { secret, headers, text } = documented.github
  const webhook = { headers, body: text }
  expect(signatureProblem(signatureSchemes.github, ['other', secret], webhook)).toBeUndefined()
  expect(signatureProblem(signatureSchemes.github, [], webhook)).toMatch(/does not fit/)
})

it.each([
  'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
  '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
  'dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=',
])('takes %s in a header of any name', (signature) => {
  const { secret, text } = documented.github
  const webhook = { headers: { 'x-signature': signature }, body: text }
  const scheme = plainScheme('x-signature', null)
  expect(signatureProblem(scheme, [secret], webhook)).toBeUndefined()
  expect(signatureProblem(scheme, [secret], { ...webhook, body: 'Hello' })).toMatch(/does not fit the body/)
})
