import { join } from 'node:path'
import { isObject } from '../../../lib/json/json-object.ts'
import { isDeeperThan, maxJsonDepth } from '../../../lib/json/json-text.ts'
import { readWhole } from '../../../lib/memory/byte-blocks.ts'
import { type WalkedFile, type WalkLimits, walkResults } from '../../isolation/files/walk-results.ts'
import type { Sandbox } from '../../isolation/sandbox.ts'
import { type DeclaredFiles, reportName } from '../format/declared-files.ts'
import type { FoundReport } from './success.ts'

/** Content of the results folder after the agent's death. */
export interface Results {
  files: WalkedFile[]
  /** Skipped files, with reasons. */
  notKept: { path: string; message: string }[]
  warnings: string[]
  report: FoundReport
}

const mostReportBytes = 256 * 1024

const readReport = async (file: WalkedFile): Promise<FoundReport> => {
  if (file.size > mostReportBytes) return { problem: 'it is larger than 256 KiB' }
  try {
    const text = (await readWhole(file.open())).toString('utf8').replace(/^\uFEFF/, '')
    if (text.trim() === '') return { problem: 'it is empty' }
    if (isDeeperThan(text, maxJsonDepth)) return { problem: 'it is nested too deeply' }
    const value: unknown = JSON.parse(text)
    return isObject(value) ? { value } : { problem: 'it is not a JSON object' }
  } catch (error) {
    return { problem: error instanceof SyntaxError ? `it is not JSON (${error.message})` : 'its bytes cannot be read' }
  }
}

/** Declared paths, examined first so that junk does not crowd them out. */
const firstOf = ({ primary, manifest }: DeclaredFiles): string[] => [
  ...[...primary, ...manifest].flatMap(({ paths }) => paths.filter((path) => !/[*?]|\/$/.test(path))),
  reportName,
]

/** Examines the results. Call it when nothing in the sandbox is alive. */
export const lookAtResults = async (
  sandbox: Pick<Sandbox, 'folders'>,
  declared: DeclaredFiles,
  limits: WalkLimits,
  signal?: AbortSignal,
): Promise<Results> => {
  const results: Results = { files: [], notKept: [], warnings: [], report: undefined }
  const root = join(sandbox.folders.app, 'results')
  for await (const found of walkResults(root, { ...limits, first: firstOf(declared) }, signal)) {
    if (found.kind === 'file') results.files.push(found)
    else {
      results.warnings.push(found.message)
      if (found.kind === 'skipped') results.notKept.push({ path: found.path, message: found.message })
    }
  }
  const report = results.files.find(({ path }) => path === reportName)
  if (report) results.report = await readReport(report)
  else if (results.notKept.some(({ path }) => path === reportName)) {
    results.report = { problem: results.notKept.find(({ path }) => path === reportName)?.message ?? '' }
  }
  return results
}
