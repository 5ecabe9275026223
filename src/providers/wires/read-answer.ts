import { parsedJson } from '../../lib/json/json-object.ts'
import type { OpenAnswer } from '../../lib/net/open.ts'
import { errorInside, refusal, unreadable } from '../../upstream/errors.ts'
import type { Target, WireCall } from '../provider.ts'

/** Posts a JSON body to the provider of a call. The key goes into the header and nowhere else. */
export const post = (call: WireCall, url: string, body: unknown, accept: string): Promise<OpenAnswer> =>
  call.open(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept, ...call.headers },
    body: JSON.stringify(body),
  })

/** Reads an answer to its end as text. */
export const answerText = async (answer: OpenAnswer): Promise<string> => {
  const parts: Uint8Array[] = []
  for await (const part of answer.body) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

export const isSuccess = ({ status }: OpenAnswer): boolean => status >= 200 && status <= 299

/** Reads the JSON of an answer that must be a `what`. Throws for a refusal and for anything else. */
export const jsonOf = async <T>(
  target: Target,
  answer: OpenAnswer,
  what: string,
  isOne: (body: unknown) => body is T,
): Promise<T> => {
  const text = await answerText(answer)
  if (!isSuccess(answer)) throw refusal(target, answer.status, text, answer.headers)
  const body = parsedJson(text)
  const status = errorInside(body)
  if (status !== undefined) throw refusal(target, status, text, answer.headers)
  if (!isOne(body)) throw unreadable(target, what, { status: answer.status, text, headers: answer.headers })
  return body
}
