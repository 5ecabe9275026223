import { ErrorCode, type ListResourcesResult, McpError, type Resource } from '@modelcontextprotocol/sdk/types.js'
import { AppError } from '../../lib/errors.ts'
import type { ToolContext } from '../tool.ts'

/** Tasks of one page. */
const tasksOfPage = 100
/** Collections whose newest runs stand on one page, and how many runs of each. */
const collectionsOfPage = 10
const runsOfCollection = 20

interface DocGroups {
  groups: { title: string; pages: { page: string; title: string }[] }[]
}
interface ListedTask {
  collection_name: string
  name: string
  description: string | null
}
interface ListedRuns {
  runs: { task: string; trajectory_id: string; status: string; error: string | null; created: string }[]
}

/** Lists the pages that the server shows at /docs. A server without documentation has none. */
const listPages = async ({ call }: ToolContext): Promise<Resource[]> => {
  try {
    const { groups } = (await call('listDocs', {})) as DocGroups
    return groups.flatMap(({ title: group, pages }) =>
      pages.map(({ page, title }) => ({
        ...{ uri: `jetty://docs/${page}`, name: `docs/${page}`, title, description: group },
        mimeType: 'text/markdown',
      })),
    )
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return []
    throw error
  }
}

const listTasks = async ({ call }: ToolContext, skip: number): Promise<ListResourcesResult> => {
  const tasks = (await call('listAllTasks', { query: { skip, limit: tasksOfPage } })) as ListedTask[]
  return {
    resources: tasks.map(({ collection_name: collection, name, description }) => ({
      uri: `jetty://tasks/${collection}/${name}`,
      name: `${collection}/${name}`,
      ...(description && { description: description.slice(0, 200) }),
      mimeType: 'application/json',
    })),
    nextCursor: tasks.length < tasksOfPage ? 'runs 0' : `tasks ${skip + tasksOfPage}`,
  }
}

/** Lists the newest runs of a collection. */
const runsOf = async ({ call }: ToolContext, collection: string): Promise<Resource[]> => {
  const found = await call('listCollectionRuns', { params: { collection }, query: { limit: runsOfCollection } })
  return (found as ListedRuns).runs.map(({ task, trajectory_id: id, status, error, created }) => ({
    uri: `jetty://runs/${collection}/${task}/${id}`,
    name: `${collection}/${task}/${id}`,
    description: `${status}, ${created}${error === null ? '' : `: ${error.slice(0, 200)}`}`,
    mimeType: 'application/json',
  }))
}

const listRuns = async (context: ToolContext, skip: number): Promise<ListResourcesResult> => {
  const query = { skip, limit: collectionsOfPage }
  const collections = (await context.call('listCollections', { query })) as { name: string }[]
  const runs = await Promise.all(collections.map(({ name }) => runsOf(context, name)))
  const isLast = collections.length < collectionsOfPage
  return { resources: runs.flat(), ...(!isLast && { nextCursor: `runs ${skip + collectionsOfPage}` }) }
}

/**
 * Lists the resources of a key, page by page: the documentation with the first tasks, the other tasks, then the newest
 * runs of each collection.
 */
export const listResources = async (context: ToolContext, cursor?: string): Promise<ListResourcesResult> => {
  if (cursor === undefined) {
    const [pages, tasks] = await Promise.all([listPages(context), listTasks(context, 0)])
    return { ...tasks, resources: [...pages, ...tasks.resources] }
  }
  const [, kind, skip = ''] = /^(tasks|runs) (\d{1,9})$/.exec(cursor) ?? []
  if (kind === 'tasks') return listTasks(context, Number(skip))
  if (kind === 'runs') return listRuns(context, Number(skip))
  throw new McpError(ErrorCode.InvalidParams, 'Unknown cursor: pass the nextCursor of the page before, unchanged')
}
