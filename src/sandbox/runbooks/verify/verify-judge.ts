import { askForVerdict } from '../../../activities/judge/ask.ts'
import type { Question } from '../../../activities/judge/question.ts'
import { contentTypeOf, isTextFile } from '../../../lib/files/media-type.ts'
import { readStart } from '../../../lib/memory/byte-blocks.ts'
import { byteSize } from '../../../lib/settings/byte-size.ts'
import type { RunbookHost } from '../../../model/runbooks/runbook-run.ts'
import type { WalkedFile } from '../../isolation/files/walk-results.ts'
import type { CheckVerdict } from './verify-command.ts'

export interface JudgeCheck {
  rubric: string
  /** Passing score on the scale from 1 to 5. */
  threshold: number
  model: string
}

const question: Question = { type: 'scale', min: 1, max: 5 }

/** Maximum bytes of one file shown to a judge, and of all files. */
const shownOfFile = 64 * 1024
const shownOfAll = 256 * 1024
const mostNames = 500

/** Reads the beginning of a text file. */
const textOf = async (
  { path, size, open }: WalkedFile,
  most: number,
  scrubFile: RunbookHost['scrubFile'],
): Promise<string | undefined> => {
  // Scrubbed before cutting: a cut secret would not be found.
  const { file } = scrubFile({ name: path, content_type: contentTypeOf(path), size, open })
  const bytes = (await readStart(file.open(), most)).subarray(0, most)
  return isTextFile(file.content_type, bytes) ? new TextDecoder('utf-8').decode(bytes) : undefined
}

/** Joins the results into one text, declared files first; files that do not fit are named. */
const shownFiles = async (files: readonly WalkedFile[], scrubFile: RunbookHost['scrubFile']): Promise<string> => {
  const parts = [
    `Files in the results folder: ${files.length}`,
    ...files.slice(0, mostNames).map(({ path, size }) => `- ${path} (${byteSize(size)})`),
    ...(files.length > mostNames ? [`- and ${files.length - mostNames} more`] : []),
  ]
  let left = shownOfAll
  for (const file of files) {
    if (left <= 0) break
    const text = await textOf(file, Math.min(shownOfFile, left), scrubFile)
    if (text === undefined || text === '') continue
    left -= text.length
    const cut = file.size > Buffer.byteLength(text) ? ', its beginning' : ''
    parts.push(`\n=== ${file.path}${cut} ===\n${text}`)
  }
  return parts.join('\n')
}

/** Asks a model to score the results by a rubric. Throws when it gives no verdict. */
export const verifyByJudge = async (
  { rubric, threshold, model }: JudgeCheck,
  files: readonly WalkedFile[],
  host: Pick<RunbookHost, 'chat' | 'tell' | 'scrubFile'>,
  scrub: (text: string) => string,
): Promise<CheckVerdict> => {
  const item = scrub(await shownFiles(files, host.scrubFile))
  const brief = {
    instruction: rubric,
    question,
    items: [item],
    dimensions: [],
    withExplanation: true,
    systemPrompt: undefined,
  }
  const asker = {
    models: { chat: host.chat },
    warn: (message: string) => host.tell({ type: 'warning', message }),
  }
  const call = { model, provider: undefined, temperature: undefined, max_tokens: undefined }
  const { verdict } = await askForVerdict(brief, call, asker, 'the judge that verifies: ')
  const { score, explanation } = verdict
  return {
    passed: score !== null && score >= threshold,
    kind: 'judge',
    output: scrub(`${score} of 5, of which ${threshold} pass${explanation ? `: ${explanation}` : ''}`),
    exit_code: null,
    score,
  }
}
