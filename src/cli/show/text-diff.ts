import pc from 'picocolors'
import { safe } from './output.ts'

const paint = (line: string): string => {
  if (line.startsWith('+++') || line.startsWith('---')) return pc.bold(line)
  if (line.startsWith('@@')) return pc.cyan(line)
  if (line.startsWith('+')) return pc.green(line)
  return line.startsWith('-') ? pc.red(line) : line
}

/** Compares two texts as `diff -u` does; empty when equal. */
export const textDiff = async (
  before: { name: string; text: string },
  after: { name: string; text: string },
): Promise<string> => {
  if (before.text === after.text) return ''
  const { createTwoFilesPatch } = await import('diff')
  const patch = createTwoFilesPatch(before.name, after.name, before.text, after.text, '', '', { context: 3 })
  return patch.slice(patch.indexOf('--- '))
}

/** Colours a diff. */
export const paintDiff = (diff: string): string => safe(diff).split('\n').map(paint).join('\n')
