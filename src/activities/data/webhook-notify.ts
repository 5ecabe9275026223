import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { retryAfterSeconds } from '../../lib/net/retry-after.ts'
import { activity } from '../activity.ts'

const shownCharacters = 300

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Notifies another service with a POST of a JSON body. */
export const webhookNotify = activity({
  name: 'webhook_notify',
  category: 'data',
  description: 'Sends a JSON payload to a URL by POST.',
  parameters: z.object({
    url: z.string().min(1).describe('http or https URL that takes the POST.'),
    payload: z.unknown().optional().describe('What is sent as JSON; {} where it is absent.'),
  }),
  outputs: z.object({
    status_code: z.number().int().describe('Status of the answer, 200 to 299.'),
    response: z.unknown().describe('The answer: parsed if it is JSON, else its text.'),
  }),
  example: {
    activity: 'webhook_notify',
    url: 'https://example.com/hook',
    payload: { text: 'Done: {{init_params.title}}' },
  },
  gotchas: [
    'To send what a step put out, use payload_path: one path, or an object of paths; or {{step.outputs.x}} in a text.',
    'Any status but 2xx fails the step; 429 and 5xx are tried again first.',
    'The header Idempotency-Key is the same for each try, so that the receiver can tell a repetition.',
    'Private addresses are refused unless JETTY_ALLOW_PRIVATE_NETWORK lists them.',
  ],
  async run({ url, payload }, context) {
    const answer = await context.fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, */*',
        'idempotency-key': context.idempotencyKey,
      },
      body: JSON.stringify(payload ?? {}),
      timeoutSeconds: 60,
      maxBytes: 8 * 1024 * 1024,
    })
    const text = await answer.text()
    if (answer.status < 200 || answer.status > 299) {
      const wait = retryAfterSeconds(answer.headers)
      const said = text.trim().slice(0, shownCharacters)
      throw new AppError(
        'upstream_failed',
        `The webhook at ${new URL(url).host} answered ${answer.status}${said ? `: ${said}` : ''}`,
        {
          hint: 'Check the URL, and what the receiver expects in the payload.',
          retryable: answer.status === 408 || answer.status === 429 || answer.status >= 500,
          ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
        },
      )
    }
    return { status_code: answer.status, response: parsed(text) }
  },
})
