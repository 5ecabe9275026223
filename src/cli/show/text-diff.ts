import pc from 'picocolors'
import { safe } from './output.ts'

const paint = (line: string): string => {
  if (line.startsWith('+++') || line.startsWith('---')) return pc.bold(line)
  if (line.startsWith('@@')) return pc.cyan(line)
  if (line.startsWith('+')) return pc.green(line)
  return line.startsWith('-') ? pc.red(line) : line
}

/** What has to be changed to get from one text to the other, as `diff -u` writes it; empty where they are the same. */
export const textDiff = async (
  before: { name: string; text: string },
  after: { name: string; text: string },
): Promise<string> => {
  if (before.text === after.text) return ''
  const { createTwoFilesPatch } = await import('diff')
  const patch = createTwoFilesPatch(before.name, after.name, before.text, after.text, '', '', { context: 3 })
  return patch.slice(patch.indexOf('--- '))
}

/** A diff in colours. */
export const paintDiff = (diff: string): string => safe(diff).split('\n').map(paint).join('\n')
