import { useQuery } from '@tanstack/react-query'
import type { StepTemplate } from '../../../../src/model/workflows/step-template.ts'
import { api } from '../../../data/api.ts'

const none: readonly StepTemplate[] = []

/** The catalogue of activities; empty until it is loaded. */
export const useStepTemplates = (): readonly StepTemplate[] => {
  const { data } = useQuery({
    queryKey: ['step-templates'],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }) => api.listStepTemplates({ signal }),
  })
  return data?.templates ?? none
}
