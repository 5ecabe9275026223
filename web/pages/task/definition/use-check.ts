import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { parsedJson } from '../../../../src/lib/json/json-object.ts'
import type { WorkflowCheck } from '../../../../src/model/workflows/workflow-check.ts'
import { apiCall } from '../../../data/api.ts'
import { useSettled } from '../../../data/settled.ts'

const isJson = (text: string): boolean => parsedJson(text) !== undefined

/** What the server finds in a workflow that is being written. While the text is no JSON, the last answer stays. */
export const useWorkflowCheck = (collection: string, task: string, text: string) => {
  const settled = useSettled(text)
  const check = useQuery({
    queryKey: ['workflow-check', collection, task, settled],
    enabled: isJson(settled),
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 10_000,
    queryFn: async ({ signal }) =>
      (await apiCall('checkWorkflow', {
        bodyText: `{"collection":${JSON.stringify(collection)},"name":${JSON.stringify(task)},"workflow":${settled}}`,
        signal,
      })) as WorkflowCheck,
  })
  return { check: check.data, error: check.error, isBroken: !isJson(text) }
}
