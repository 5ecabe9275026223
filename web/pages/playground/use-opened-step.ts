import { useQuery } from '@tanstack/react-query'
import { useEffect, useEffectEvent } from 'react'
import type { PlaygroundDraft } from './draft/draft.ts'
import { loadStep, stepAddress } from './draft/load-step.ts'

interface OpenedStep {
  draft: PlaygroundDraft
  model: string | undefined
  collection: string
}

/** Loads the step that the address names, and hands over what it asked, once. */
export const useOpenedStep = (from: string | undefined, onOpened: (step: OpenedStep) => void) => {
  const address = stepAddress(from)
  const { data, error } = useQuery({
    queryKey: ['playground-step', from],
    queryFn: ({ signal }) => (address ? loadStep(address, signal) : undefined),
    enabled: address !== undefined,
    gcTime: 0,
  })
  const open = useEffectEvent((step: OpenedStep) => onOpened(step))
  const collection = address?.collection
  useEffect(() => {
    if (data && collection !== undefined) open({ ...data, collection })
  }, [data, collection])
  const isWrong = from !== undefined && address === undefined
  return { isLoading: address !== undefined && !data && !error, error: isWrong ? new Error(notAStep) : error }
}

const notAStep = 'The address names no step: write from=collection/task/run/step'
