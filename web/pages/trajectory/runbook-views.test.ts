import { describe, expect, it } from 'vitest'
import { headlineOf, type RunbookOutputs, reportStages, resultChecks } from './runbook-views.tsx'

const verification = { passed: true, kind: 'command' as const, output: '', exit_code: 0, score: null, repair_rounds: 0 }
const file = { path: 'a', relative_path: 'a' } as never

describe('how a runbook ended', () => {
  it.each<[RunbookOutputs, string]>([
    [{ success: true, verification: { ...verification, repair_rounds: 1 } }, 'Verified by command after 1 repair'],
    [
      { success: true, verification: { ...verification, kind: 'judge', repair_rounds: 2 } },
      'Verified by judge after 2 repairs',
    ],
    [{ success: true, verification: null }, 'Completed; nobody verified it'],
    [{ success: false, failure_reason: 'missing_files' }, 'Failed: missing files'],
    [{}, 'It did not succeed'],
  ])('%j', (outputs, text) => expect(headlineOf(outputs)).toBe(text))
})

describe('whether it can be believed', () => {
  it.each<[RunbookOutputs, string[]]>([
    [
      { success: true, results_files: [file], validation_report: { overall_passed: true }, verification },
      ['passed 1 file', 'passed The agent says that all passed', 'passed command, exit 0'],
    ],
    [
      { success: true, results_files: [] },
      ['none 0 files', 'none The agent wrote none', 'none The runbook asks for none'],
    ],
    [
      { failure_reason: 'missing_files', results_files: [file, file], validation_report: { overall_passed: false } },
      ['failed 2 files; missing files', 'failed The agent says that it failed', 'none The runbook asks for none'],
    ],
    [
      {
        failure_reason: 'verify_failed',
        verification: { ...verification, passed: false, kind: 'judge', score: 2, repair_rounds: 1 },
      },
      ['none 0 files', 'none The agent wrote none', 'failed judge, score 2 after 1 repair'],
    ],
    [
      { failure_reason: 'verify_unavailable' },
      ['none 0 files', 'none The agent wrote none', 'failed It could not be carried out'],
    ],
    [
      { failure_reason: 'report_invalid' },
      ['none 0 files', 'failed It is missing, or cannot be read', 'none The runbook asks for none'],
    ],
  ])('%j', (outputs, texts) =>
    expect(resultChecks(outputs).map(({ state, text }) => `${state} ${text}`)).toEqual(texts),
  )
})

describe('what the agent reports of its stages', () => {
  it('lists those with a name, and says whether each passed', () => {
    const stages = [
      { name: 'totals', passed: true, message: '8 of 8' },
      { name: 'check', passed: false },
      { name: 'note' },
      { passed: true },
      'nonsense',
    ]
    expect(reportStages({ validation_report: { stages } })).toEqual([
      { name: 'totals', state: 'passed', text: '8 of 8' },
      { name: 'check', state: 'failed', text: '' },
      { name: 'note', state: 'none', text: '' },
    ])
  })

  it.each([{}, { validation_report: null }, { validation_report: { stages: 'all' } }])('%j has none', (outputs) => {
    expect(reportStages(outputs)).toEqual([])
  })
})
