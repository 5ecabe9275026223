import { expect, it } from 'vitest'
import { makeScrubber } from '../../lib/secrets/scrub.ts'
import { makePrinted } from './run-script.ts'

const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nqCh4kqiJzLS1Yw8fE2PnhR\n-----END KEY-----\n'
const scrubber = makeScrubber([['KEY', key]])

const printedOf = (...pieces: string[]) => {
  const printed: string[] = []
  const { stdout } = makePrinted({ scrubStream: () => scrubber.bytes(), printed: (_, text) => void printed.push(text) })
  for (const piece of pieces) stdout.write(Buffer.from(piece))
  return { printed, ...stdout.end() }
}

it('strikes a secret of several lines out, wherever its pieces are cut', () => {
  for (let at = 0; at <= key.length; at++) {
    const { printed, text } = printedOf(`before\n${key.slice(0, at)}`, `${key.slice(at)}after\n`)
    expect([printed.join(''), text]).toEqual(['before\n***after\n', 'before\n***after\n'])
  }
})

it('keeps what only begins like a secret, and passes on whole lines at once', () => {
  expect(printedOf('one\n-----BEGIN', ' OTHER-----\nend')).toEqual({
    printed: ['one\n', '-----BEGIN OTHER-----\n', 'end\n'],
    ...{ text: 'one\n-----BEGIN OTHER-----\nend\n', isCut: false },
  })
})

it('keeps the last part of a long output', () => {
  const { text, isCut } = printedOf('x'.repeat(99).concat('\n').repeat(700))
  expect([text.length, isCut]).toEqual([64 * 1024, true])
})
