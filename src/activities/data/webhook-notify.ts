import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { jsonOrText } from '../../lib/json/json-object.ts'
import { retryAfterSeconds } from '../../lib/net/retry-after.ts'
import { activity } from '../activity.ts'

const shownCharacters = 300

/** Notifies another service with a POST of a JSON body. */
export const webhookNotify = activity({
  name: 'webhook_notify',
  category: 'data',
  lenient: true,
  description: 'Sends a JSON payload to a URL by POST.',
  parameters: z.object({
    url: z.string().min(1).describe('http or https URL to send the POST to.'),
    payload: z.unknown().optional().describe('Value to send as JSON; default: {}.'),
  }),
  outputs: z.object({
    status_code: z.number().int().describe('HTTP status of the response, 200 to 299.'),
    response: z.unknown().describe('The response body: parsed if it is JSON, else as text.'),
  }),
  example: {
    activity: 'webhook_notify',
    url: 'https://example.com/hook',
    payload: { text: 'Done: {{init_params.title}}' },
  },
  alsoCalled: ['notify', 'notification', 'send_webhook', 'slack', 'discord'],
  gotchas: [
    'To send the outputs of a step, use payload_path: one path, or an object of paths; or {{step.outputs.x}} in a text.',
    'Any status other than 2xx fails the step; 429 and 5xx are retried first.',
    'The header Idempotency-Key is the same for each attempt, so that the receiver can recognise a repetition.',
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
          hint: 'Check the URL, and the payload that the receiver expects.',
          retryable: answer.status === 408 || answer.status === 429 || answer.status >= 500,
          ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
        },
      )
    }
    return { status_code: answer.status, response: jsonOrText(text) }
  },
})
