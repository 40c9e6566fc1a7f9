-- n steps of a linear congruential generator from 1.
return function(n)
    local state = 1LL
    for _ = 1, n do
        state = state * 6364136223846793005LL + 1442695040888963407LL
    end
    return state
end
