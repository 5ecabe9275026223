import type { FoundCollection } from '../../model/collections/identity.ts'
import type { RunbookChat } from '../../model/runbooks/runbook-chat.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import { resolvedLists } from '../runs/file-paths.ts'

export interface ChatTexts {
  runbook: string | undefined
  prompt: string | undefined
}

/**
 * Builds the parameters of a chat's run. Values that the chat omits come from the task, or are null: the paths of the
 * standard workflow refer to all of them.
 */
export const parametersOf = async (
  database: Queries,
  collection: Pick<FoundCollection, 'id' | 'name'>,
  workflow: Workflow,
  { model, jetty }: RunbookChat,
  { runbook, prompt }: ChatTexts,
): Promise<Record<string, unknown>> => {
  const lists = [
    { given: jetty.file_paths ?? [], loc: ['body', 'jetty', 'file_paths'] },
    { given: jetty.files ?? [], loc: ['body', 'jetty', 'files'] },
  ]
  const files = (await resolvedLists(database, collection, lists)).flat()
  const own = workflow.init_params ?? {}
  const given: Record<string, unknown> = {
    agent: jetty.agent,
    model: model || undefined,
    model_provider: jetty.model_provider,
    snapshot: jetty.snapshot,
    instruction: runbook,
    prompt,
    vars: jetty.template_variables && { results_dir: inside.results, ...jetty.template_variables },
    file_paths: files.length > 0 ? files : undefined,
  }
  const unsaid: Record<string, unknown> = { vars: { results_dir: inside.results }, file_paths: [] }
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => {
      if (value != null) return [[name, value]]
      return Object.hasOwn(own, name) ? [] : [[name, unsaid[name] ?? null]]
    }),
  )
}
