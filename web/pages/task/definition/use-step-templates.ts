import { useQuery } from '@tanstack/react-query'
import type { StepTemplate } from '../../../../src/model/workflows/step-template.ts'
import { api } from '../../../data/api.ts'

const none: readonly never[] = []

const catalogue = {
  queryKey: ['step-templates'],
  staleTime: Number.POSITIVE_INFINITY,
  queryFn: ({ signal }: { signal: AbortSignal }) => api.listStepTemplates({ signal }),
}

/** The catalogue of activities; empty until it is loaded. */
export const useStepTemplates = (): readonly StepTemplate[] => {
  const { data } = useQuery(catalogue)
  return data?.templates ?? none
}

/** What every step may have beside the parameters of its activity; empty until it is loaded. */
export const useCommonParameters = (): StepTemplate['parameters'] => useQuery(catalogue).data?.common_parameters ?? []
