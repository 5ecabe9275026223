import type { LargeAnswer, UpstreamAnswer } from '../answer.ts'
import type { KeyRedactor } from './key-redactor.ts'
import { redactFrames } from './redact-frames.ts'
import { redactError, redactHeaders } from './redact-secrets.ts'

const redactBytes = (bytes: Buffer, { scrub }: KeyRedactor): Buffer => {
  const text = bytes.toString()
  if (scrub.text(text) === text) return bytes
  try {
    return Buffer.from(scrub.jsonText(text))
  } catch {
    return Buffer.from(scrub.text(text)) // not JSON, or nested too deeply
  }
}

const redactLarge = ({ begun, rest }: LargeAnswer, { scrub }: KeyRedactor): LargeAnswer => {
  const clean = scrub.bytes()
  return {
    begun: clean.push(begun),
    rest: {
      ...rest,
      readTo: (sink) =>
        rest.readTo({
          take(chunk) {
            const passed = clean.push(chunk)
            if (passed.length > 0) sink.take(passed)
          },
          end(problem) {
            const left = clean.rest()
            if (left.length > 0) sink.take(left)
            sink.end(problem)
          },
        }),
    },
  }
}

/** Removes the keys that a provider was called with from its answer: clients may call it without knowing them. */
export const redactAnswer = (answer: UpstreamAnswer, redactor: KeyRedactor | undefined): UpstreamAnswer => {
  if (!redactor) return answer
  const headers = redactHeaders(answer.headers, redactor.scrub)
  if (answer.kind === 'events') return { ...answer, headers, source: redactFrames(answer.source, redactor) }
  if (answer.kind === 'large') return { ...answer, headers, ...redactLarge(answer, redactor) }
  const bytes = redactBytes(answer.bytes, redactor)
  const isSame = headers === answer.headers && bytes === answer.bytes
  if (answer.kind === 'whole') return isSame ? answer : { ...answer, headers, bytes }
  return { ...answer, headers, bytes, error: redactError(answer.error, redactor.scrub) }
}
