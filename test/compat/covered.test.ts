// Whether each promise of the contract that can be kept here has a test that is named for it.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const folder = new URL('.', import.meta.url)
const titles = readdirSync(folder)
  .filter((name) => name.endsWith('.test.ts') && name !== 'covered.test.ts')
  .flatMap((name) =>
    [...readFileSync(new URL(name, folder), 'utf8').matchAll(/^\s*test\(\s*(['"`])(.+?)\1/gms)].map(
      (found) => found[2] ?? '',
    ),
  )

/** Names as words of their own: `get-task` is not found in `get-tasks`. */
const words = new Set(titles.flatMap((title) => title.split(/[^\w-]+/)))
const unnamed = (names: string): string[] =>
  names
    .trim()
    .split(/\s+/)
    .filter((name) => !words.has(name))

/** `3-5 8` as the numbers that it means. */
const numbersOf = (ranges: string): number[] =>
  ranges.split(' ').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number)
    return Array.from({ length: to - from + 1 }, (_, at) => from + at)
  })

test('titles are found at all', () => {
  expect(titles.length).toBeGreaterThan(80)
  expect(unnamed('jetty_run no_such_name')).toEqual(['no_such_name'])
})

test('every row of the skill page has a test that begins with it', () => {
  const promised = numbersOf('3-76 78-80')
  const rows = titles.flatMap((title) => /^row (\d+): ./.exec(title)?.[1] ?? []).map(Number)
  expect([...new Set(rows)].sort((left, right) => left - right)).toEqual(promised)
})

test('every function of the command line client has a test; jetty_help needs no server', () => {
  expect(
    unnamed(`jetty_health jetty_collections jetty_collection jetty_tasks jetty_task jetty_workflow jetty_create_task
      jetty_update_task jetty_delete_task jetty_run jetty_run_sync jetty_run_with_file jetty_logs jetty_trajectories
      jetty_trajectory jetty_last_output jetty_stats jetty_templates jetty_template jetty_search_templates
      jetty_datasets jetty_models jetty_chat`),
  ).toEqual([])
})

test('every method of the SDK has a test', () => {
  expect(
    unnamed(`listCollections getCollection getCollectionEnvironment setEnvironmentVars listTasks getTask createTask
      updateTask deleteTask getTrialStatus activateTrial runWorkflow runWithFiles runWorkflowSync runAndWait
      listTrajectories getTrajectory getStats ingestTrajectory addLabel downloadFile getWorkflowLogs listStepTemplates
      getStepTemplate parseWorkflowId listRoutines getRoutine createRoutine updateRoutine deleteRoutine pauseRoutine
      resumeRoutine runRoutineNow listRoutineRuns gradeWithJetty`),
  ).toEqual([])
})

test('every tool of the MCP server has a test', () => {
  expect(
    unnamed(`list-collections get-collection list-tasks get-task create-task update-task get-trial-status activate-trial
      run-workflow run-workflow-sync list-trajectories get-trajectory get-stats add-label list-step-templates
      get-step-template check-secrets set-environment-vars list-routines get-routine create-routine update-routine
      delete-routine pause-routine resume-routine run-routine-now list-routine-runs`),
  ).toEqual([])
})
