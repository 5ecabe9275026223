import type { Given } from '../ask/ask-native.ts'
import type { LargeAnswer } from '../ask/beginning.ts'
import type { KeyStrike } from './key-strike.ts'
import { struckFrames } from './struck-frames.ts'

const struckBytes = (bytes: Buffer, { scrub }: KeyStrike): Buffer => {
  const text = bytes.toString()
  if (scrub.text(text) === text) return bytes
  try {
    return Buffer.from(scrub.jsonText(text))
  } catch {
    return Buffer.from(scrub.text(text)) // nested too deeply to be walked
  }
}

const struckLarge = ({ chunks, rest }: LargeAnswer, { scrub }: KeyStrike): LargeAnswer => {
  const clean = scrub.bytes()
  return {
    chunks: chunks.map((chunk) => clean.push(chunk)),
    rest: {
      ...rest,
      readTo: (sink) =>
        rest.readTo({
          data(chunk) {
            const passed = clean.push(chunk)
            if (passed.length > 0) sink.data(passed)
          },
          end(problem) {
            const left = clean.rest()
            if (left.length > 0) sink.data(left)
            sink.end(problem)
          },
        }),
    },
  }
}

/**
 * What a provider gave without the key that it was asked with: whoever may call it need not know that. Refusals are cleaned
 * of every secret where they are told.
 */
export const struckAnswer = (given: Given, strike: KeyStrike | undefined): Given => {
  if (!strike || given.kind === 'refused') return given
  if (given.kind === 'events') return { ...given, source: struckFrames(given.source, strike) }
  if (given.kind === 'large') return { ...given, ...struckLarge(given, strike) }
  return { ...given, bytes: struckBytes(given.bytes, strike) }
}
