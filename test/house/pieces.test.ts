import { expect, test } from 'vitest'
import { programFiles, textOf } from './source-files.ts'

const collecting = /\b(chunks|parts|pieces|said|held)\.push\(\s*(chunk|part|piece)\b|from 'node:readline'/
/** Where the pieces are collected, and the lines of a program of the system. */
const mayCollect = /^src\/(lib\/text\/joined-text\.ts|sandbox\/isolation\/limits\/disk-watch\.ts)$/

test('what arrives in pieces is collected in blocks: a list of pieces takes 100 bytes for each', () => {
  const astray = programFiles.filter((path) => !mayCollect.test(path) && collecting.test(textOf(path)))
  expect(astray, 'use lib/memory/byte-blocks.ts for bytes, lib/text/joined-text.ts for text').toEqual([])
})
